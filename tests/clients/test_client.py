"""Client and AsyncClient, over a real channel: each test holds for both."""

import asyncio
import dataclasses
import inspect
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import grpc
import numpy as np
import pytest
from tests.integration.ray_nodes import free_port

from trueodds import (
    Answer,
    AsyncClient,
    BiasCorrection,
    Chat,
    Client,
    CustomFormat,
    DeadlineExceeded,
    DegenerateFitWarning,
    Example,
    FailedPrecondition,
    Format,
    InvalidRequest,
    Method,
    Normalization,
    NotFound,
    NotServed,
    OrderCorrection,
    Question,
    Reading,
    Scores,
    Text,
    TokenIds,
    Unavailable,
    aio,
)
from trueodds import client as blocking
from trueodds._channel import channel_options
from trueodds._convert import questions as _questions
from trueodds._convert import scoring as _messages
from trueodds.errors import NoServer
from trueodds.v1 import question_pb2, reading_pb2
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine

NOWHERE = "127.0.0.1:1"
NOBODY = "models/aligned/calibrators/0123456789abcdef"


def constant(client, task, temperature=2.0, **options):
    """A calibrator that needs no data."""
    options = {"options": 4, **options}
    return client.fit(
        model="aligned", task=task, method=Method.CONSTANT, temperature=temperature, **options
    )


def public(kind):
    return {
        name: [
            (each.name, each.default, each.kind)
            for each in inspect.signature(method).parameters.values()
        ]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if name == "__init__" or not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    assert public(Client) == public(AsyncClient)


# Scoring


def test_an_answer_is_what_the_service_says(client, service, question):
    said = service.score(question(options=3, labels=["x", "y", "z"], passage="Read this."))
    answer = client.score(
        Question(
            "Which one is it?",
            ["option 0", "option 1", "option 2"],
            passage="Read this.",
            labels=["x", "y", "z"],
        ),
        model="aligned",
    )
    assert [option.label for option in answer.options] == ["x", "y", "z"]
    for option, other in zip(answer.options, said.options, strict=True):
        assert option.logprob == other.logprob
        assert option.probability == option.calibrated_probability == other.probability
    assert answer.choice == said.choice
    assert answer.confidence == answer.calibrated_confidence == said.confidence
    assert answer.calibrator is None
    assert not answer.calibrated
    assert answer.format_probability == said.format_probability
    assert answer.option_mass == said.option_mass
    for name, value in asdict(answer.identity).items():
        assert value == getattr(said.identity, name)
        assert value
    assert answer.prompt_tokens == said.prompt_tokens


def test_format_and_shots_reach_the_service(client, service, question, ask):
    shot = question_pb2.Shot(question=question("A shot?"), answer=2)
    said = service.score(question(), format=reading_pb2.FORMAT_LETTER, shots=[shot])
    answer = client.score(
        ask(), model="models/aligned", reading=Format.LETTER, shots=[Example(ask("A shot?"), 2)]
    )
    assert answer.confidence == said.confidence
    assert answer.prompt_tokens == said.prompt_tokens


MESSAGES = [{"role": "user", "content": "Which one is it?"}]
ASKED = {
    "text": Question(prompt="Which one is it?\n\nAnswer:", options=["tin", "oak"]),
    "special text": Question(
        prompt=Text("Which one is it?<|end|>assistant:", special_tokens=True),
        options=["tin", "oak"],
    ),
    "token ids": Question(prompt=TokenIds([70, 71, 72]), option_ids=[[80], [81, 82]]),
    "chat": Question(prompt=Chat(MESSAGES, "It is"), options=["tin", "oak"]),
}


@pytest.mark.parametrize("question", ASKED.values(), ids=ASKED)
def test_a_prompt_of_ones_own_reaches_the_service(client, service, question):
    message = _questions.question_message(question)
    said = service.score(message, format=reading_pb2.FORMAT_LETTER)
    answer = client.score(question, model="aligned", reading=Format.LETTER)
    assert answer == _messages.answer_of(said)
    assert answer.prompt_tokens > 2


def test_a_conversation_is_the_text_that_its_template_makes(client):
    chat = Question(prompt=Chat(MESSAGES, " It is"), options=["tin", "oak"])
    text = Text("user: Which one is it?<|end|>assistant: It is", special_tokens=True)
    rendered = Question(prompt=text, options=["tin", "oak"])
    answers = [client.score(each, model="aligned") for each in (chat, rendered)]
    # Why they are raw names the way of reading, which differs.
    asked, read = (dataclasses.replace(each, raw_because="") for each in answers)
    assert asked == read


CYCLIC, PRIOR = OrderCorrection.CYCLIC, OrderCorrection.PRIOR
READINGS = {
    "custom": Reading(CustomFormat(question="{text} =>", identifier=" the", answer=" {text}")),
    "bytes": Reading(Format.TEXT, Normalization.BYTES),
    "pmi": Reading(Format.TEXT, Normalization.PMI, "Answer:"),
    "variants": Reading(Format.LETTER, sum_variants=True),
    "cyclic": Reading(order_correction=CYCLIC),
    "prior": Reading(order_correction=PRIOR),
    "given prior": Reading(order_correction=PRIOR, label_prior=(0.1, 0.2, 0.3, 0.4)),
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_a_reading_reaches_the_service(client, ask, reading):
    """And each is told by what only it has."""
    plain = client.score(ask(), model="aligned")
    answer = client.score(ask(), model="aligned", reading=reading)
    [batched, _] = client.score_batch([ask(), ask()], model="aligned", reading=reading)
    assert [each.logprob for each in batched.options] == [each.logprob for each in answer.options]
    probabilities = [option.probability for option in answer.options]
    assert probabilities != pytest.approx([option.probability for option in plain.options])
    first = answer.options[0]
    assert (first.score != first.logprob) == (reading.normalization is not Normalization.SUM)
    assert (first.unconditional_logprob is not None) == (reading.normalization is Normalization.PMI)
    assert (len(first.variants) == 2) == reading.sum_variants
    assert len(answer.permutations) == (
        4 if reading.order_correction is OrderCorrection.CYCLIC else 0
    )
    assert len(answer.label_prior) == (
        4 if reading.order_correction is OrderCorrection.PRIOR else 0
    )


def test_top_tokens_and_abstention_are_asked_for(client, ask):
    plain = client.score(ask(), model="aligned")
    assert (plain.abstained, plain.top_tokens) == (False, ())
    least = min(1.0, plain.option_mass * 1.01)
    [told, _] = client.score_batch(
        [ask(), ask()], model="aligned", min_option_mass=least, top_tokens=5
    )
    assert told == client.score(ask(), model="aligned", min_option_mass=least, top_tokens=5)
    assert told.abstained
    assert len(told.top_tokens) == 5
    assert told.options == plain.options


def test_shared_options_are_answered_as_ones_own(start_service, connect, ask):
    """Over several messages, and where the last question has others."""
    client = connect(start_service(limits={"max_items": 2}).app.address)
    shared = [ask(f"{number}?") for number in range(5)]
    together = client.score_batch(shared, model="aligned")
    apart = client.score_batch([*shared, ask(options=3)], model="aligned")
    assert together == apart[:5]
    assert len(apart[5].options) == 3


def test_a_reading_is_fitted_and_answers(client, ask, task):
    reading = Reading(Format.TEXT, Normalization.BYTES)
    items = [ask(f"Fit {number}?") for number in range(9)]
    calibrator = client.fit(items, model="aligned", task=task, reading=reading, activate=True)
    assert calibrator.reading == "text+bytes"
    asked = {"model": "aligned", "task": task}
    assert client.score(ask(), reading=reading, **asked).calibrator == calibrator.name
    assert client.score(ask(), reading=Format.TEXT, **asked).calibrator is None


def test_a_shot_without_its_answer_names_the_field(client, ask):
    with pytest.raises(InvalidRequest, match="needs its answer") as caught:
        client.score(ask(), model="aligned", shots=[Example(ask())])
    assert caught.value.field == "shots"


def test_an_option_ruled_out_has_a_logprob_of_minus_infinity(start_service, connect, ask):
    class Certain(FakeEngine):
        async def score(self, prompts):
            score = TokenScore((-math.inf, -0.1), (False, True), math.log(0.5))
            return [score for _ in prompts]

    client = connect(start_service(engines={"aligned": Certain()}).app.address)
    answer = client.score(ask(options=2), model="aligned")
    assert [option.logprob for option in answer.options] == [-math.inf, -0.1]


def test_a_batch_longer_than_the_server_takes_is_cut_and_keeps_its_order(
    start_service, connect, ask
):
    client = connect(start_service(limits={"max_items": 7}).app.address)
    questions = [ask(f"Question {number}?") for number in range(40)]
    seen = []
    outcomes = client.score_batch(
        (question for question in questions),
        model="aligned",
        progress=lambda *numbers: seen.append(numbers),
    )
    assert outcomes == [client.score(question, model="aligned") for question in questions]
    assert len({answer.confidence for answer in outcomes}) == 40
    assert seen == [(done, 40) for done in (7, 14, 21, 28, 35, 40)]


def test_a_batch_of_more_bytes_than_a_message_takes_is_cut(start_service, connect, monkeypatch):
    monkeypatch.setattr("trueodds._convert.scoring.BATCH_BYTES", 2**19)
    service = start_service(limits={"max_message_mib": 1}, max_tokens=2**20)
    questions = [Question("Which?", ["one", "two"], passage="x" * 2**18) for _ in range(6)]
    outcomes = connect(service.app.address).score_batch(questions, model="aligned")
    assert [type(outcome) for outcome in outcomes] == [Answer] * 6


def test_a_request_larger_than_a_message_says_so(start_service, connect):
    client = connect(start_service(limits={"max_message_mib": 1}).app.address)
    with pytest.raises(InvalidRequest, match=r"larger than .* takes"):
        client.score(Question("Which?", ["one", "two"], passage=" " * 2**21), model="aligned")


def test_a_question_that_fails_has_its_error_in_its_place(client, ask):
    questions = [ask(f"Question {number}?") for number in range(300)]
    questions[3] = Question("No option?", [])
    questions[299] = Question("Two?", ["one", "two", " "])
    outcomes = client.score_batch(questions, model="aligned")
    assert [index for index, each in enumerate(outcomes) if not isinstance(each, Answer)] == [
        3,
        299,
    ]
    for index, field in ((3, "options"), (299, "options[2].text")):
        error = outcomes[index]
        assert isinstance(error, InvalidRequest)
        assert error.field == f"questions[{index}].{field}"
        assert error.reason == "INVALID_FIELD"
        assert str(error).startswith(f"{error.field}: ")


def test_what_is_wrong_with_a_whole_batch_is_raised(client, ask):
    with pytest.raises(InvalidRequest) as caught:
        client.score_batch([ask(), ask()], model="aligned", task=" x")
    assert caught.value.field == "settings.task"


def test_an_empty_batch_has_no_outcomes(connect):
    assert connect(NOWHERE).score_batch([], model="aligned") == []


# Calibrators


def test_a_fit_from_questions_finds_the_temperature_and_reports_its_progress(client, ask, task):
    seen = []
    calibrator = client.fit(
        [ask(f"Fit {number}?") for number in range(70)],
        model="aligned",
        task=task,
        activate=True,
        progress=lambda *numbers: seen.append(numbers),
    )
    assert calibrator.temperature == pytest.approx(3.0, abs=1e-3)
    assert calibrator.method is Method.TEACHER_KL
    assert calibrator.reading == "paren"
    assert (calibrator.model, calibrator.teacher) == ("models/aligned", "models/base")
    assert (calibrator.task, calibrator.options, calibrator.items) == (task, 4, 70)
    assert calibrator.metrics["kl_after"] < calibrator.metrics["kl_before"]
    assert calibrator.active
    assert calibrator.created.tzinfo is not None
    assert seen[-1] == (140, 140)
    assert seen == sorted(seen)

    answer = client.score(ask("New?"), model="aligned", task=task)
    assert answer.calibrated
    assert answer.calibrator == calibrator.name
    weights = np.exp(np.array([option.logprob for option in answer.options]) / 3.0)
    assert answer.calibrated_confidence == pytest.approx(max(weights / weights.sum()), rel=1e-3)


def test_a_fit_from_answers(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(30)]
    answers = client.score_batch(questions, model="aligned")
    # Right two times of three: less sure than the model says.
    items = [
        Example(question, answer.choice if number % 3 else (answer.choice + 1) % 4)
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]
    calibrator = client.fit(items, model="aligned", task=task, method=Method.TEMPERATURE)
    assert calibrator.temperature > 1
    assert calibrator.metrics["accuracy"] == pytest.approx(2 / 3)
    assert calibrator.metrics["nll_after"] < calibrator.metrics["nll_before"]
    assert not calibrator.active


def test_a_fit_says_what_it_lacks(client, ask, task):
    with pytest.raises(InvalidRequest) as caught:
        client.fit([ask()], model="aligned", task=task, method=Method.TEMPERATURE)
    assert caught.value.field == "questions.items"
    with pytest.raises(InvalidRequest, match=r"^source: METHOD_TEACHER_KL is fitted"):
        client.fit(model="aligned", task=task)
    with pytest.raises(InvalidRequest, match=r"^source: METHOD_CONSTANT is fitted from options"):
        constant(client, task, options=None)
    with pytest.raises(InvalidRequest) as caught:
        constant(client, task, items=[ask()])
    assert caught.value.field == "options"


def test_a_fit_from_scores_is_that_from_the_questions(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(20)]
    own, teachers = (client.score_batch(questions, model=name) for name in ("aligned", "base"))
    items = [
        Scores(
            [option.score for option in answer.options],
            teacher_logprobs=[option.score for option in teacher.options],
            teacher_format_probability=teacher.format_probability,
        )
        for answer, teacher in zip(own, teachers, strict=True)
    ]
    asked = client.fit(questions, model="aligned", task=task)
    given = client.fit(items, model="aligned", task=task)
    assert given.parameters == asked.parameters
    assert given.data_hash == asked.data_hash
    assert (given.teacher, asked.teacher) == (None, "models/base")


def test_everything_about_a_fit_is_kept(client, ask, task):
    items = [Example(ask(f"Fit {number}?"), number % 4) for number in range(30)]
    calibrator = client.fit(
        items,
        model="aligned",
        task=task,
        method=Method.VECTOR,
        bias_correction=BiasCorrection.CONTEXTUAL,
    )
    assert (calibrator.method, calibrator.labelled) == (Method.VECTOR, 30)
    assert calibrator.bias_correction is BiasCorrection.CONTEXTUAL
    assert not calibrator.keeps_choice
    assert len(calibrator.parameters["log_prior"]) == 4
    assert client.calibrator(calibrator.name) == calibrator


def test_a_teacher_is_read_and_shown_as_told(client, ask, task):
    shots = [Example(ask("Shot?"), 0)]
    calibrator = client.fit(
        [ask(f"Fit {number}?") for number in range(5)],
        model="aligned",
        task=task,
        teacher_reading=Format.LETTER,
        teacher_shots=shots,
    )
    assert (calibrator.reading, calibrator.teacher_reading) == ("paren", "letter")


def test_a_dry_run_and_a_named_fit(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(5)]
    dry = client.fit(questions, model="aligned", task=task, validate_only=True)
    assert not list(client.calibrators("aligned", task=task))
    first = client.fit(questions, model="aligned", task=task, request_id=task)
    assert first.name == dry.name
    assert client.fit(questions, model="aligned", task=task, request_id=task) == first
    with pytest.raises(InvalidRequest) as caught:
        client.fit(questions[1:], model="aligned", task=task, request_id=task)
    assert (caught.value.field, caught.value.reason) == ("request_id", "REQUEST_ID_REUSED")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"items": [Scores([0, 1]), Question("Tin?", ["a", "b"])]}, "items"),
        ({"shots": [Example(Question("Tin?", ["a", "b"]), 0)]}, "shots"),
        ({"teacher_shots": [Example(Question("Tin?", ["a", "b"]), 0)]}, "teacher_shots"),
        ({"items": [Question("Tin?", ["a", "b"])], "content_free": [[0, 1]]}, "content_free"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fit_of_what_does_not_go_together(client, arguments, field):
    with pytest.raises(InvalidRequest) as caught:
        client.fit(**{"items": [Scores([0, 1])], "model": "aligned", **arguments})
    assert caught.value.field == field


def test_an_evaluation_from_scores_is_that_from_the_questions(client, ask, task):
    calibrator = constant(client, task)
    examples = [Example(ask(f"Held out {number}?"), number % 4) for number in range(40)]
    answers = client.score_batch([example.question for example in examples], model="aligned")
    seen = []
    asked = client.evaluate(
        calibrator.name, examples, progress=lambda done, total: seen.append((done, total))
    )
    given = client.evaluate(
        calibrator.name,
        [
            Scores([option.score for option in answer.options], example.answer)
            for answer, example in zip(answers, examples, strict=True)
        ],
    )
    assert asked == given
    assert seen[-1] == (40, 40)
    assert asked.calibrator == calibrator
    assert not asked.in_sample


def test_scores_are_calibrated_in_their_order(client, task):
    calibrator = constant(client, task, 2.0, options=2, activate=True)
    rows = [[0.0, number / 10] for number in range(300)]
    rows[200] = [0.0, math.nan]
    for named in ({"name": calibrator.name}, {"model": "aligned", "task": task}):
        outcomes = client.calibrate(rows, **named)
        assert len(outcomes) == 300
        assert outcomes[200].field == "items[200].logprobs"
        for number in (0, 199, 299):
            sure = 1 / (1 + math.exp(-number / 20))
            assert outcomes[number].calibrated_probabilities == pytest.approx((1 - sure, sure))
    with pytest.raises(InvalidRequest, match=r"^items: has 0 items"):
        client.calibrate([], name=calibrator.name)


def test_a_deleted_calibrator_is_gone(client, task):
    kept, gone = constant(client, task, 2.0, activate=True), constant(client, task, 3.0)
    client.delete(gone.name)
    with pytest.raises(NotFound):
        client.calibrator(gone.name)
    with pytest.raises(FailedPrecondition) as caught:
        client.delete(kept.name)
    assert caught.value.reason == "CALIBRATOR_ACTIVE"


def test_an_answer_abstains_below_a_confidence(client, ask, task):
    constant(client, task, activate=True)
    answer = client.score(ask(), model="aligned", task=task)
    for least, abstained in ((answer.calibrated_confidence, False), (1.0, True)):
        said = client.score(ask(), model="aligned", task=task, min_confidence=least)
        assert said.abstained == abstained


def test_calibrators_are_listed_the_newest_first_over_pages(client, task):
    made = [constant(client, task, 1 + number / 100).name for number in range(60)]
    other = constant(client, task + "!", 1.5).name
    listed = [calibrator.name for calibrator in client.calibrators("aligned", task=task)]
    assert listed == made[::-1]
    assert other in [calibrator.name for calibrator in client.calibrators("models/aligned")]


def test_a_calibrator_is_found_by_its_name(client, task):
    made = constant(client, task)
    assert client.calibrator(made.name) == made


def test_activations_can_be_taken_back(client, ask, task):
    first, second = (constant(client, task, temperature) for temperature in (2.0, 3.0))
    assert client.activate(first.name).active
    assert client.activate(second.name).active
    assert client.score(ask(), model="aligned", task=task).calibrator == second.name
    assert client.rollback(second.name).name == first.name
    with pytest.raises(FailedPrecondition) as caught:
        client.rollback(second.name)
    assert caught.value.reason == "CALIBRATOR_NOT_ACTIVE"
    assert client.rollback(first.name) is None
    assert client.score(ask(), model="aligned", task=task).calibrator is None


def test_a_named_calibrator_is_used_in_its_scope_only(client, ask, task):
    calibrator = constant(client, task)
    answer = client.score(ask(), model="aligned", task=task, calibrator=calibrator.name)
    assert answer.calibrator == calibrator.name
    with pytest.raises(FailedPrecondition) as caught:
        client.score(ask(options=3), model="aligned", task=task, calibrator=calibrator.name)
    assert caught.value.reason == "SCOPE_MISMATCH"


# Models


def test_models_say_what_they_are(client):
    aligned, base = client.models()
    assert (aligned.name, aligned.teacher, aligned.ready) == ("models/aligned", "models/base", True)
    assert base.teacher is None
    assert (aligned.max_items, aligned.max_options) == (1024, 128)
    assert aligned.max_prompt_tokens > 0
    assert client.model("aligned") == aligned
    assert client.wait_until_ready() == [aligned, base]


def test_a_model_that_starts_is_not_ready(start_service, connect, ask):
    service = start_service(ready=False)
    client = connect(service.app.address)
    assert [model.ready for model in client.models()] == [False, False]
    with pytest.raises(DeadlineExceeded, match="was not ready"):
        client.wait_until_ready(timeout=0)
    service.model_ready("base", FakeEngine())
    client.wait_until_ready(timeout=0, model="base")
    with pytest.raises(DeadlineExceeded, match="was not ready"):
        client.wait_until_ready(timeout=0, model="base+aligned")
    with pytest.raises(Unavailable) as caught:
        client.score(ask(), model="aligned")
    assert caught.value.reason == "MODEL_STARTING"


# Errors


def test_no_server_says_where_and_what_to_do(connect, ask):
    client = connect(NOWHERE)
    with pytest.raises(Unavailable) as caught:
        client.score(ask(), model="aligned")
    for part in (NOWHERE, "`trueodds serve`", "TRUEODDS_SERVER"):
        assert part in str(caught.value)
    assert isinstance(caught.value, ConnectionError)


def test_a_server_that_was_long_away_is_found_again_soon(connect, monkeypatch):
    """As after a minute, when the next of gRPC's own pauses would be as long."""
    port = free_port("127.0.0.1")

    def after_a_while(*given):
        return [*channel_options(*given), ("grpc.initial_reconnect_backoff_ms", 120_000)]

    for module in (aio, blocking):
        monkeypatch.setattr(module, "channel_options", after_a_while)
    client = connect(f"127.0.0.1:{port}", retries=0)
    with pytest.raises(NoServer):
        client.models()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    end, found = time.monotonic() + 60, None
    while not isinstance(found, NotServed) and time.monotonic() < end:
        with pytest.raises((NoServer, NotServed)) as caught:
            client.models()
        found = caught.value
        time.sleep(0.05)
    server.stop(None)
    assert isinstance(found, NotServed), "a server without the contract, but a server"


def test_waiting_for_no_server_ends(connect):
    with pytest.raises(Unavailable, match=NOWHERE):
        connect(NOWHERE).wait_until_ready(timeout=0)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda client, ask: client.score(ask(), model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.score_batch([ask()] * 2, model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.fit([ask()], model="nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.model("nobody"), "MODEL_NOT_FOUND"),
        (lambda client, ask: list(client.calibrators("nobody")), "MODEL_NOT_FOUND"),
        (lambda client, ask: client.calibrator(NOBODY), "CALIBRATOR_NOT_FOUND"),
        (lambda client, ask: client.activate(NOBODY), "CALIBRATOR_NOT_FOUND"),
        (lambda client, ask: client.rollback(NOBODY), "CALIBRATOR_NOT_FOUND"),
    ],
)
def test_what_is_not_there_is_not_found(client, ask, call, reason):
    with pytest.raises(NotFound) as caught:
        call(client, ask)
    assert caught.value.reason == reason
    assert isinstance(caught.value, LookupError)


def test_a_wrong_field_is_named(client):
    with pytest.raises(InvalidRequest, match=r"^question\.options: has 1 options") as caught:
        client.score(Question("One?", ["one"]), model="aligned")
    assert caught.value.field == "question.options"
    assert caught.value.reason == "INVALID_FIELD"


def test_an_answer_that_does_not_come_is_given_up_on_both_sides(stuck, connect, ask):
    service, engine = stuck
    # A deadline can pass before the engine is asked, on a busy machine: then a longer one.
    for timeout in (0.2, 1, 5, 25):
        with pytest.raises(DeadlineExceeded, match="raise the timeout"):
            connect(service.app.address, timeout=timeout).score_batch([ask()], model="aligned")
        if engine.took.is_set():
            break
    assert engine.gave_up.wait(60)


def test_a_server_with_too_much_to_do_says_so(stuck, run, ask):
    service, _ = stuck

    async def three():
        async with AsyncClient(service.app.address, timeout=10) as client:
            calls = {asyncio.create_task(client.score(ask(), model="aligned")) for _ in range(3)}
            done, stuck = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            for call in stuck:
                call.cancel()
            await done.pop()

    with pytest.raises(Unavailable, match="works on 2 requests already; try again"):
        run(three())


def test_another_grpc_server_is_no_trueodds_server(connect, bare_server, ask):
    with pytest.raises(NotServed, match=f"{bare_server} is no trueodds server"):
        connect(bare_server).score(ask(), model="aligned")


def test_the_environment_names_the_server(monkeypatch, service, ask):
    monkeypatch.setenv("TRUEODDS_SERVER", service.app.address)
    with Client() as client:
        assert client.server == service.app.address
        assert client.score(ask(), model="aligned").confidence > 0
    monkeypatch.delenv("TRUEODDS_SERVER")
    with Client() as client:
        assert client.server == "localhost:50051"


def test_a_closed_client_asks_nothing(service, run):
    with Client(service.app.address) as client:
        client.models()
    with pytest.raises(ValueError, match="closed"):
        client.models()

    async def leave():
        async with AsyncClient(service.app.address) as client:
            await client.models()
        await client.models()

    with pytest.raises(Exception, match=r"[Cc]losed"):
        run(leave())


def test_a_cancelled_batch_is_cancelled_in_the_service(stuck, run, ask):
    service, engine = stuck

    async def cancel():
        async with AsyncClient(service.app.address) as client:
            batch = asyncio.create_task(client.score_batch([ask()], model="aligned"))
            assert await asyncio.to_thread(engine.took.wait, 60)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch

    run(cancel())
    assert engine.gave_up.wait(60)


def test_a_degenerate_fit_is_kept_and_not_activated(client, task):
    """The caller is warned, and may force it."""
    certain = [Scores([-0.1, -4.0], 0)] * 5
    asked = {"model": "aligned", "task": task, "method": Method.TEMPERATURE}
    with pytest.warns(DegenerateFitWarning, match="is not activated: the temperature ran into"):
        fitted = client.fit(certain, activate=True, **asked)
    assert not fitted.active
    assert "bounds" in fitted.degenerate
    with pytest.raises(FailedPrecondition) as caught:
        client.activate(fitted.name)
    assert caught.value.reason == "DEGENERATE_FIT"
    assert client.activate(fitted.name, force=True).active
