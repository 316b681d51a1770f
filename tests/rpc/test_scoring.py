"""ScoringService: a question in, an answer out."""

import math

import grpc
import numpy as np
import pytest

from trueodds.v1 import question_pb2, reading_pb2, scoring_pb2
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import Overloaded
from trueodds_service.prompts.formats import FORMAT_VERSION


class Scripted(FakeEngine):
    """Gives every question the same option logprobs."""

    def __init__(self, *logprobs):
        super().__init__()
        self._logprobs = logprobs

    async def score(self, prompts):
        return [
            TokenScore(
                self._logprobs,
                greedy=tuple(each > math.log(0.5) for each in self._logprobs),
                identifier=math.log(0.5),
            )
            for _ in prompts
        ]


def test_an_answer_says_how_likely_each_option_is(service, question):
    answer = service.score(question(options=3))
    logprobs = np.array([option.logprob for option in answer.options])
    weights = np.exp(logprobs)
    assert [option.label for option in answer.options] == ["A", "B", "C"]
    assert [option.probability for option in answer.options] == pytest.approx(
        weights / weights.sum()
    )
    assert answer.option_mass == pytest.approx(weights.sum())
    assert answer.choice == logprobs.argmax()
    assert answer.confidence == answer.options[answer.choice].probability
    assert answer.prompt_tokens > 0
    assert answer.identity.format_version == FORMAT_VERSION


def test_without_a_calibrator_the_calibrated_answer_is_the_raw_one(service, question):
    answer = service.score(question())
    assert not answer.calibrated
    assert answer.calibrator == ""
    assert answer.calibrated_confidence == answer.confidence
    assert len(answer.options) == 4
    for option in answer.options:
        assert option.calibrated_probability == option.probability


def test_a_response_says_where_its_time_went(service, question):
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    request = scoring_pb2.ScoreRequest(settings=settings, question=question())
    timings = service.scoring.Score(request).timings
    assert timings.tokenize_seconds > 0
    assert timings.engine_seconds > 0
    assert timings.total_seconds >= timings.tokenize_seconds + timings.engine_seconds


def test_paren_is_the_format_unless_told_and_has_an_identifier(service, question):
    unsaid = service.score(question())
    paren = service.score(question(), format=reading_pb2.FORMAT_PAREN)
    letter = service.score(question(), format=reading_pb2.FORMAT_LETTER)
    assert unsaid == paren
    assert 0 < paren.format_probability < 1
    assert paren.format_probability != paren.option_mass
    assert letter.format_probability == letter.option_mass
    assert paren.prompt_tokens == letter.prompt_tokens + 1, "the identifier is read as well"


def test_labels_are_the_callers_own(service, question):
    answer = service.score(question(options=3, labels=["x", "y", "z"]))
    assert [option.label for option in answer.options] == ["x", "y", "z"]


def test_passage_and_shots_are_part_of_the_prompt(service, question):
    shot = question_pb2.Shot(question=question("A shot?"), answer=2)
    alone = service.score(question())
    after_shot = service.score(question(), shots=[shot])
    after_passage = service.score(question(passage="Read this."))
    assert alone.prompt_tokens < after_passage.prompt_tokens < after_shot.prompt_tokens
    assert len({round(a.confidence, 9) for a in (alone, after_shot, after_passage)}) == 3


def test_the_answer_of_a_shot_is_part_of_the_prompt(service, question):
    first, second = (
        service.score(question(), shots=[question_pb2.Shot(question=question(), answer=answer)])
        for answer in (0, 1)
    )
    assert first.confidence != second.confidence


def test_a_batch_keeps_the_order(service, question):
    questions = [question(f"Question {number}?") for number in range(40)]
    answers = [outcome.answer for outcome in service.batch(questions)]
    assert answers == [service.score(each) for each in questions]
    assert len({answer.confidence for answer in answers}) == 40


def test_a_batch_takes_questions_of_different_sizes(service, question):
    sizes = [2, 5, 3, 26, 2, 5]
    questions = [question(f"Question {n}?", options=size) for n, size in enumerate(sizes)]
    answers = [outcome.answer for outcome in service.batch(questions)]
    assert [len(answer.options) for answer in answers] == sizes
    assert answers == [service.score(each) for each in questions]


def test_a_bad_question_fails_alone_and_names_its_field(service, question, details):
    questions = [question(f"Question {number}?") for number in range(5)]
    questions[1].options[2].text = " "
    for option in questions[3].options:
        option.label = "A"
    outcomes = service.batch(questions)
    assert [outcome.WhichOneof("outcome") for outcome in outcomes] == [
        "answer",
        "error",
        "answer",
        "error",
        "answer",
    ]
    for index, field, reason in (
        (1, "questions[1].options[2].text", "INVALID_FIELD"),
        (3, "questions[3].options[1].label", "INVALID_FIELD"),
    ):
        error = outcomes[index].error
        assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert details(error) == {"reason": reason, "domain": "trueodds", "field": field}
        assert error.message.startswith(f"{field}: ")


def test_a_batch_of_bad_questions_only_has_an_error_for_each(service):
    outcomes = service.batch([question_pb2.Question(), question_pb2.Question(text="?")])
    assert [outcome.WhichOneof("outcome") for outcome in outcomes] == ["error", "error"]


def test_an_option_without_any_probability_stays_in_the_answer(start_service, question):
    service = start_service(engines={"aligned": Scripted(-math.inf, -0.5, -2.0)})
    answer = service.score(question(options=3))
    assert answer.options[0].logprob == -math.inf
    assert answer.options[0].probability == 0
    assert answer.options[0].calibrated_probability == 0
    assert answer.choice == 1
    assert sum(option.probability for option in answer.options) == pytest.approx(1)


def test_an_option_is_greedy_where_the_engine_says_so(start_service, question):
    service = start_service(engines={"aligned": Scripted(-3.0, -0.1, -4.0)})
    answer = service.score(question(options=3))
    assert [option.greedy for option in answer.options] == [False, True, False]


@pytest.mark.parametrize(
    ("nothing", "reason"), [(-math.inf, "NO_OPTION_MASS"), (math.nan, "LOGITS_NAN")]
)
def test_a_question_without_any_probability_fails_alone(
    start_service, question, refused, details, nothing, reason
):
    class Lost(FakeEngine):
        async def score(self, prompts):
            scores = await super().score(prompts)
            return [TokenScore((nothing,) * 4, (False,) * 4), *scores[1:]]

    service = start_service(engines={"aligned": Lost()})
    lost, fine = service.batch([question("Lost?"), question("Fine?")])
    assert details(lost.error)["reason"] == reason
    assert fine.answer.confidence > 0
    with refused(grpc.StatusCode.FAILED_PRECONDITION, reason=reason):
        service.score(question())


def test_of_equal_options_the_first_is_chosen(start_service, question):
    service = start_service(engines={"aligned": Scripted(-3.0, -1.0, -1.0)})
    assert service.score(question(options=3)).choice == 1


def test_special_tokens_in_a_question_are_text(service, question):
    """Were "<|end|>" the one special token, it would cost one token and not its letters."""
    plain = service.score(question("What is it?"))
    special = service.score(question("What is <|end|> it?"))
    assert special.prompt_tokens >= plain.prompt_tokens + 4


def test_the_same_question_has_the_same_answer(service, question):
    assert service.score(question("Again?")) == service.score(question("Again?"))


class Overfull(FakeEngine):
    def check_room(self, prompts):
        raise Overloaded(60.0, 1.0)


def test_what_is_wrong_with_a_question_is_told_before_what_waits(start_service, question, refused):
    service = start_service(engines={"aligned": Overfull()})
    wrong = question(" ")
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED"):
        service.score(question())
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="question.text"):
        service.score(wrong)
    codes = {outcome.error.code for outcome in service.batch([wrong, wrong])}
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED"):
        service.batch([wrong, question()])
