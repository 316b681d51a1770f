"""ModelService: which models there are, and what they can do."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_status import rpc_status
from transformers import AutoTokenizer

from trueodds.v1 import model_pb2 as pb
from trueodds.v1 import question_pb2, reading_pb2
from trueodds_service import app
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.rpc.reading import FORMATS_SERVED


def models(service):
    return {each.name: each for each in service.models.ListModels(pb.ListModelsRequest()).models}


def test_every_model_is_listed_and_can_be_asked_for(service):
    listed = models(service)
    assert [*listed] == ["models/aligned", "models/base"]
    for name, model in listed.items():
        assert service.models.GetModel(pb.GetModelRequest(name=name)).model == model


def test_so_much_is_tokenized_in_one_call_and_no_more(service, refused):
    def tokenize(size):
        prompts = [question_pb2.Prompt(text="a " * (size // 2))]
        return service.models.Tokenize(pb.TokenizeRequest(name="models/base", prompts=prompts))

    assert len(tokenize(2**20 - 100).prompts[0].ids) > 2**18
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="prompts"):
        tokenize(2**20 + 2)


def test_a_model_says_what_it_is(service, question):
    model = models(service)["models/aligned"]
    assert model.state == pb.STATE_READY
    assert model.teacher == "models/base"
    assert models(service)["models/base"].teacher == ""
    assert {*model.formats} == {*FORMATS_SERVED}
    assert model.state_cause == ""
    assert (model.engine, model.dtype) == ("fake 1", "float64")
    identity = service.score(question()).identity
    assert model.revision == identity.model_revision
    assert model.tokenizer_revision == identity.tokenizer_revision
    assert (identity.engine, identity.dtype) == (model.engine, model.dtype)


def test_a_format_that_a_model_has_is_served(service, question):
    formats = models(service)["models/base"].formats
    assert formats
    for answer_format in formats:
        reading = reading_pb2.Reading(format=answer_format)
        if answer_format == reading_pb2.FORMAT_CUSTOM:
            reading.custom_format.SetInParent()
        assert service.score(question(), model="models/base", reading=reading).options


def test_the_limits_are_those_that_hold(start_service, question, refused):
    service = start_service(max_tokens=100, limits={"max_items": 3, "max_options": 5})
    limits = models(service)["models/aligned"].limits
    assert (limits.max_items, limits.max_options) == (3, 5)
    longest = question("?")
    tokens = 0
    while (answer := service.batch([longest])[0].answer).options:
        tokens = answer.prompt_tokens
        longest.text += "?"
    assert tokens == limits.max_prompt_tokens == 98, "two are for the answer"
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="PROMPT_TOO_LONG"):
        service.score(longest)


def test_a_model_that_starts_says_so_and_asks_to_come_back(
    start_service, question, refused, details
):
    service = start_service(ready=False)
    model = models(service)["models/aligned"]
    assert model.state == pb.STATE_STARTING
    assert (model.engine, model.limits.max_prompt_tokens) == ("", 0)
    assert model.revision
    for call in (service.score, lambda each: service.batch([each])):
        with refused(grpc.StatusCode.UNAVAILABLE, reason="MODEL_STARTING") as caught:
            call(question())
        assert details(rpc_status.from_call(caught.value))["delay"] > 0


@pytest.mark.parametrize("name", ["models/other", "models/aligned2"])
def test_a_model_that_is_not_there(service, refused, name):
    with refused(grpc.StatusCode.NOT_FOUND, reason="MODEL_NOT_FOUND"):
        service.models.GetModel(pb.GetModelRequest(name=name))


def test_a_model_comes_back_after_its_engine_was_lost(start_service, question):
    """Who asks meanwhile waits, and nobody else does."""
    service = start_service()
    served = service.score(question())
    service.run(service.app.model_lost("aligned"))
    assert models(service)["models/aligned"].state == pb.STATE_LOST
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(service.score, question())
        assert service.score(question(), model="models/base")
        assert not waiting.done()
        service.model_ready("aligned", FakeEngine(seed=7, sharpness=3.0))
        assert waiting.result() == served
    assert service.score(question()) == served


def test_a_model_whose_engine_is_not_replaced(
    start_service, question, refused, no_replacement, details
):
    service = start_service()
    service.run(service.app.model_lost("aligned"))
    with refused(grpc.StatusCode.UNAVAILABLE, reason="ENGINE_LOST") as caught:
        service.score(question())
    assert details(rpc_status.from_call(caught.value))["delay"] > 0


def test_a_model_that_has_failed_says_why(start_service, question, refused):
    service = start_service()
    cause = "its tokenizer cannot be loaded: no such file (/models/aligned)"
    service.run(service.app.model_failed("aligned", cause))
    model = models(service)["models/aligned"]
    assert (model.state, model.state_cause) == (pb.STATE_FAILED, cause)
    for call in (service.score, lambda each: service.batch([each])):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="MODEL_FAILED") as caught:
            call(question())
        assert caught.value.details() == f"models/aligned has failed: {cause}"
    assert service.score(question(), model="models/base")
    service.model_ready("aligned", FakeEngine(seed=7, sharpness=3.0))
    assert models(service)["models/aligned"].state_cause == ""
    assert service.score(question()).options


# Tokens


def tokens(service, *prompts, model="models/aligned"):
    prompts = [question_pb2.Prompt(**prompt) for prompt in prompts]
    request = pb.TokenizeRequest(name=model, prompts=prompts)
    return [list(each.ids) for each in service.models.Tokenize(request).prompts]


def test_prompts_of_every_kind_are_tokenized_as_transformers_does(service, weights):
    reference = AutoTokenizer.from_pretrained(weights)
    text = "Which one? <|end|>  A"
    chat = [{"role": "user", "content": "Which one?"}]
    found = tokens(
        service,
        {"text": text},
        {"special_text": text},
        {"token_ids": {"ids": [5, 6, 7]}},
        {"chat": {"messages": chat, "answer_prefix": " A"}},
    )
    rendered = reference.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert found == [
        reference.encode(text, split_special_tokens=True),
        reference.encode(text),
        [5, 6, 7],
        reference.encode(f"{rendered} A"),
    ]
    assert found[0] != found[1], "only one of them reads the special token"


def test_a_prompt_may_be_longer_than_the_model_reads(start_service, weights):
    text = "one two " * 1000
    expected = AutoTokenizer.from_pretrained(weights).encode(text)
    assert tokens(start_service(max_tokens=32), {"text": text}) == [expected]


def test_what_is_no_prompt_is_named(service, refused):
    known = {"token_ids": {"ids": [1]}}
    for prompt, field in [
        ({}, "prompts[1].source"),
        ({"text": ""}, "prompts[1].text"),
        ({"token_ids": {"ids": [10**6]}}, "prompts[1].token_ids"),
        (
            {"chat": {"messages": [{"role": "user", "content": "<|end|>"}]}},
            "prompts[1].chat.messages[0].content",
        ),
    ]:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
            tokens(service, known, prompt)


def test_prompts_are_counted_and_need_a_model(start_service, refused):
    service = start_service(limits={"max_items": 2})
    for count in (0, 3):
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field="prompts"):
            tokens(service, *[{"text": "x"}] * count)
    with refused(grpc.StatusCode.NOT_FOUND):
        tokens(service, {"text": "x"}, model="models/other")


def test_the_token_before_a_text_is_that_of_the_tokenizer(service, weights):
    reference = AutoTokenizer.from_pretrained(weights)
    assert reference.bos_token_id is None
    assert models(service)["models/aligned"].prefix_token_id == reference.eos_token_id


def test_weights_are_read_beside_the_event_loop(start_service, run, monkeypatch):
    """Those of a large model take minutes; whatever else the loop has to do goes on."""
    read = app.model_revision
    turned = threading.Event()

    def slow(*folders, **how):
        run_soon(turned.set)
        assert turned.wait(60), "the loop stood still"
        return read(*folders, **how)

    async def loop():
        return asyncio.get_running_loop()

    run_soon = run(loop()).call_soon_threadsafe
    monkeypatch.setattr(app, "model_revision", slow)
    for model in models(start_service()).values():
        assert len(model.revision) == len(model.tokenizer_revision) == 16


def test_a_quantized_model_is_another(start_service, weights):
    """What was fitted for the one is not applied to the other."""

    def served(how):
        model = {"name": "aligned", "weights": weights, "engine": {"quantization": how}}
        return models(start_service(ready=False, models=[model]))["models/aligned"]

    plain, quantized = served("none"), served("fp8")
    assert plain.revision != quantized.revision
    assert plain.tokenizer_revision == quantized.tokenizer_revision
