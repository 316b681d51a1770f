"""Questions scored by Client and AsyncClient: each test holds for both."""

import dataclasses
import math
from dataclasses import asdict

import pytest

from trueodds import (
    Answer,
    Chat,
    CustomFormat,
    Example,
    Format,
    InvalidRequest,
    Normalization,
    OrderCorrection,
    Question,
    Reading,
    Text,
    TokenIds,
)
from trueodds._convert import questions as _questions
from trueodds._convert import scoring as _messages
from trueodds.v1 import question_pb2, reading_pb2
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine


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
