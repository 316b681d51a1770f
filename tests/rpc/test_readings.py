"""Ways of reading, over a real channel: what was asked for is what is told."""

import math

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2, question_pb2, reading_pb2
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine

TEXT = reading_pb2.FORMAT_TEXT
CYCLIC = reading_pb2.ORDER_CORRECTION_CYCLIC
PRIOR = reading_pb2.ORDER_CORRECTION_PRIOR
NORMALIZATIONS = {
    reading_pb2.NORMALIZATION_SUM: lambda option, text: option.logprob,
    reading_pb2.NORMALIZATION_TOKENS: lambda option, text: option.logprob / option.tokens,
    reading_pb2.NORMALIZATION_BYTES: lambda option, text: option.logprob / len(text.encode()),
    reading_pb2.NORMALIZATION_CHARACTERS: lambda option, text: option.logprob / len(text),
    reading_pb2.NORMALIZATION_PMI: lambda option, text: (
        option.logprob - option.unconditional_logprob
    ),
}
TEXTS = ["tin", "a café with a long name", "two words"]


def spoken():
    message = question_pb2.Question(text="Which one is it?")
    for text in TEXTS:
        message.options.add(text=text)
    return message


def softmax(values):
    weights = np.exp(np.array(values) - max(values))
    return weights / weights.sum()


def probabilities(answer):
    return [option.probability for option in answer.options]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_score_is_what_the_normalization_makes_of_the_logprob(service, normalization):
    reading = reading_pb2.Reading(format=TEXT, normalization=normalization)
    if normalization == reading_pb2.NORMALIZATION_PMI:
        reading.unconditional_prompt.text = "Answer:"
    answer = service.score(spoken(), reading=reading)
    expected = [
        NORMALIZATIONS[normalization](option, text)
        for option, text in zip(answer.options, TEXTS, strict=True)
    ]
    assert [option.score for option in answer.options] == pytest.approx(expected)
    assert probabilities(answer) == pytest.approx(softmax(expected))
    assert answer.entropy == pytest.approx(-sum(p * math.log(p) for p in probabilities(answer)))
    assert [option.bytes for option in answer.options] == [len(text.encode()) for text in TEXTS]
    assert min(option.tokens for option in answer.options) >= 1
    assert max(option.tokens for option in answer.options) > 1


def test_one_option_after_a_prompt_of_its_own_is_scored(service):
    both = question_pb2.Question(options=[{"text": "tin"}, {"text": "an oak"}])
    both.prompt.text = "What is a metal?"
    alone = question_pb2.Question(options=[{"text": "an oak"}], prompt=both.prompt)
    answer = service.score(alone, format=TEXT)
    expected = service.score(both, format=TEXT).options[1]
    assert [option.logprob for option in answer.options] == [expected.logprob]
    assert answer.options[0].probability == answer.confidence == 1
    assert (answer.choice, answer.entropy) == (0, 0)


def test_a_fit_needs_two_options_all_the_same(service, refused, task):
    alone = question_pb2.Question(options=[{"text": "an oak"}])
    alone.prompt.text = "What is a metal?"
    request = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        task=task,
        reading=reading_pb2.Reading(format=TEXT),
        method=calibration_pb2.METHOD_TEACHER_KL,
        questions={"items": [{"question": alone}]},
    )
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="questions.items[0].question.options"):
        list(service.calibration.FitCalibrator(request))


def test_pmi_is_against_the_same_options_alone(service):
    pmi = reading_pb2.Reading(format=TEXT, normalization=reading_pb2.NORMALIZATION_PMI)
    pmi.unconditional_prompt.text = "Answer:"
    asked = service.score(spoken(), reading=pmi)
    alone = spoken()
    alone.text = ""
    alone.prompt.text = "Answer:"
    unasked = service.score(alone, format=TEXT)
    assert [option.unconditional_logprob for option in asked.options] == pytest.approx(
        [option.logprob for option in unasked.options]
    )


def test_variants_are_summed_and_told(service, question):
    plain = service.score(question(), format=reading_pb2.FORMAT_LETTER)
    reading = reading_pb2.Reading(format=reading_pb2.FORMAT_LETTER, sum_variants=True)
    summed = service.score(question(), reading=reading)
    assert [list(option.variants) for option in summed.options] == [
        [" A", "A"],
        [" B", "B"],
        [" C", "C"],
        [" D", "D"],
    ]
    for one, both in zip(plain.options, summed.options, strict=True):
        assert one.logprob < both.logprob
        assert not one.variants


def test_a_prompt_of_the_callers_own_is_the_question_rendered(service, question):
    asked = question()
    own = question_pb2.Question(options=asked.options)
    lines = "".join(
        f"{label}. {option.text}\n" for label, option in zip("ABCD", asked.options, strict=True)
    )
    own.prompt.text = f"{asked.text}\n{lines}Answer:"
    answers = [service.score(own), service.score(asked)]
    for answer in answers:
        answer.ClearField("raw_because")  # names the way of reading, which differs
    assert answers[0] == answers[1]


def test_token_ids_are_read_as_they_are(service):
    message = question_pb2.Question()
    message.prompt.token_ids.ids.extend([5, 6, 7])
    for ids in ([8], [9, 10], [11, 12, 13]):
        message.options.add(token_ids=ids)
    answer = service.score(message)
    assert [option.tokens for option in answer.options] == [1, 2, 3]
    assert answer.prompt_tokens == 3


def test_options_that_all_share_are_sent_once(service, question):
    own = [question(f"Question {number}?") for number in range(3)]
    bare = [question_pb2.Question(text=message.text) for message in own]
    shared = service.batch(bare, options=own[0].options)
    assert list(shared) == list(service.batch(own))


def test_a_question_with_options_of_its_own_keeps_them(service, question):
    first, second = service.batch(
        [question("?"), question("?", options=2)], options=question(options=3).options
    )
    assert len(first.answer.options) == 4
    assert len(second.answer.options) == 2


def test_cyclic_averages_every_order(service, question):
    asked = question()
    answer = service.score(asked, reading=reading_pb2.Reading(order_correction=CYCLIC))
    orders = [list(permutation.options) for permutation in answer.permutations]
    assert orders == [[(place + shift) % 4 for place in range(4)] for shift in range(4)]
    mean, tokens = np.zeros(4), 0
    for order in orders:
        turned = question_pb2.Question(
            text=asked.text, options=[asked.options[option] for option in order]
        )
        one = service.score(turned)
        mean[order] += np.array(probabilities(one)) / 4
        tokens += one.prompt_tokens
    assert probabilities(answer) == pytest.approx(mean)
    assert answer.prompt_tokens == tokens
    plain = service.score(asked)
    assert [o.logprob for o in answer.options] == [o.logprob for o in plain.options]


def test_a_given_prior_is_divided_out(service, question):
    prior = [0.4, 0.3, 0.2, 0.1]
    reading = reading_pb2.Reading(order_correction=PRIOR, label_prior=prior)
    answer = service.score(question(), reading=reading)
    quotients = np.array(probabilities(service.score(question()))) / prior
    assert probabilities(answer) == pytest.approx(quotients / quotients.sum())
    assert list(answer.label_prior) == prior


def test_an_estimated_prior_can_be_given_again(service, question):
    asked = [question(f"Question {number}?") for number in range(12)]
    estimated = [
        outcome.answer
        for outcome in service.batch(asked, reading=reading_pb2.Reading(order_correction=PRIOR))
    ]
    prior = list(estimated[0].label_prior)
    assert sum(prior) == pytest.approx(1)
    given = reading_pb2.Reading(order_correction=PRIOR, label_prior=prior)
    for one, other in zip(estimated, service.batch(asked, reading=given), strict=True):
        assert list(one.label_prior) == prior
        assert probabilities(one) == pytest.approx(probabilities(other.answer))


def test_a_prior_of_another_size_fails_alone(service, question, details):
    reading = reading_pb2.Reading(order_correction=PRIOR, label_prior=[0.5, 0.5])
    fine, wrong = service.batch([question(options=2), question()], reading=reading)
    assert fine.HasField("answer")
    assert details(wrong.error)["field"] == "questions[1].options"


@pytest.mark.parametrize("count", [1, 20])
def test_top_tokens_come_in_their_order(service, question, count):
    answer = service.score(question(), top_tokens=count)
    logprobs = [token.logprob for token in answer.top_tokens]
    assert len(logprobs) == count
    assert logprobs == sorted(logprobs, reverse=True)
    assert not service.score(question()).top_tokens


def test_an_answer_abstains_below_the_least_mass_and_answers_all_the_same(service, question):
    plain = service.score(question())
    mass = plain.option_mass
    just, over = (service.score(question(), min_option_mass=least) for least in (mass, mass + 1e-9))
    assert (plain.abstained, just.abstained, over.abstained) == (False, False, True)
    assert probabilities(over) == probabilities(plain)


def test_the_mass_counts_an_option_within_another_once(service):
    message = question_pb2.Question()
    message.prompt.token_ids.ids.extend([5, 6])
    message.options.add(token_ids=[8])
    message.options.add(token_ids=[8, 9])
    answer = service.score(message)
    assert answer.option_mass == pytest.approx(math.exp(answer.options[0].logprob))


class Scripted(FakeEngine):
    """Between them the options hold ``mass``, after an identifier of probability ``identified``."""

    def __init__(self):
        super().__init__()
        self.mass, self.identified = 1.0, 1.0

    async def score(self, prompts, adapter=None):
        return [self._said(prompt) for prompt in prompts]

    def _said(self, prompt):
        count = len(prompt.continuations)
        return TokenScore(
            (math.log(self.mass / count),) * count,
            (False,) * count,
            math.log(self.identified),
        )


@pytest.fixture
def scripted(start_service):
    """A service of its own and its engine."""
    engine = Scripted()
    return start_service(engines={"aligned": engine}), engine


LETTER, PAREN = reading_pb2.FORMAT_LETTER, reading_pb2.FORMAT_PAREN


@pytest.mark.parametrize(
    ("answer_format", "mass", "identified", "low"),
    [
        (LETTER, 0.005, 1.0, True),
        (LETTER, 0.02, 1.0, False),
        (PAREN, 0.005, 1.0, True),
        (PAREN, 0.02, 1.0, False),
        (PAREN, 0.5, 0.01, True),
        (PAREN, 0.5, 0.04, False),
        (TEXT, 0.005, 1.0, True),
        (TEXT, 0.02, 1.0, False),
    ],
)
def test_next_to_nothing_is_less_than_a_hundredth_the_format_with_it(
    scripted, question, answer_format, mass, identified, low
):
    service, engine = scripted
    engine.mass, engine.identified = mass, identified
    asked = question()
    for option, text in zip(asked.options, ("tin", "oak", "a", "b"), strict=True):
        option.text = text
    answer = service.score(asked, format=answer_format)
    assert answer.option_mass == pytest.approx(mass)
    assert answer.HasField("low_option_mass")
    assert answer.low_option_mass is low


def test_of_one_option_and_of_long_texts_it_is_not_told(scripted):
    service, engine = scripted
    engine.mass = 1e-6
    alone = question_pb2.Question(options=[{"text": "tin"}])
    alone.prompt.text = "What is a metal?"
    long = question_pb2.Question(text="Which?")
    for text in ("an oak of the old kind", "a birch of the new kind"):
        long.options.add(text=text)
    for asked in (alone, long):
        assert not service.score(asked, format=TEXT).HasField("low_option_mass")


def test_a_calibrator_is_for_its_own_reading_only(service, question):
    text = reading_pb2.Reading(format=TEXT)
    request = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        task="a reading",
        reading=text,
        method=calibration_pb2.METHOD_CONSTANT,
        options=4,
        activate=True,
    )
    [event] = service.calibration.FitCalibrator(request)
    assert event.calibrator.scope.reading == "text"
    answer = service.score(question(), reading=text, task="a reading")
    assert answer.calibrator == event.calibrator.name
    per_byte = reading_pb2.Reading(format=TEXT, normalization=reading_pb2.NORMALIZATION_BYTES)
    for reading in (reading_pb2.Reading(), per_byte):
        assert not service.score(question(), reading=reading, task="a reading").calibrated
