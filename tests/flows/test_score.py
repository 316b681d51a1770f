"""The path of a score: which calibrator answers, and what goes wrong alone."""

from dataclasses import replace

import numpy as np
import pytest

from trueodds_service.core.decisions.conformal import ConformalScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import InvalidInput, NotFound, NotReady, Unavailable
from trueodds_service.flows.apply_calibrator import SetRule, answer_sets
from trueodds_service.flows.score import Answer
from trueodds_service.prompts.formats import FORMAT_VERSION, LETTER, TEXT, Format
from trueodds_service.prompts.question import ChatPrompt, TextPrompt, TokenIdPrompt
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading

# A calibrator of one of these scopes is not for a question of the task "task" in the format
# PAREN with four options. A default has the empty task.
OTHER_SCOPES = {
    "another task": {"task": "other"},
    "another format": {"reading": "letter"},
    "another version of the format": {"format_version": FORMAT_VERSION + 1},
    "another revision": {"revision": "c" * 16},
    "another number of options": {"options": 3},
    "another model": {"model": "base"},
    "another format's default": {"task": "", "reading": "letter"},
    "another revision's default": {"task": "", "revision": "c" * 16},
    "another number's default": {"task": "", "options": 5},
    "another model's default": {"task": "", "model": "base"},
}


@pytest.mark.parametrize("temperature", [0.001, 0.7, 1.0, 2.5, 1000.0])
async def test_a_calibrator_softens_the_answer_and_keeps_the_choice(
    house, make_questions, temperature
):
    raw = await house.score(*make_questions(40))
    calibrator = await house.activated(temperature)
    answers = await house.score(*make_questions(40))
    for before, after in zip(raw, answers, strict=True):
        assert after.calibrator == calibrator
        assert after.read.scores.tolist() == before.read.scores.tolist()
        assert after.probabilities.tolist() == before.probabilities.tolist()
        powers = (before.probabilities / before.probabilities.max()) ** (1 / temperature)
        assert after.calibrated == pytest.approx(powers / powers.sum())
        assert after.calibrated.sum() == pytest.approx(1)
        assert after.choice == before.choice == after.calibrated.argmax()
        if temperature > 1:
            assert after.calibrated.max() < before.probabilities.max()


@pytest.mark.parametrize("score", ConformalScore)
def test_a_set_of_threshold_one_holds_every_option(score):
    """Also where the probabilities add up to more than one, as rounding makes them."""
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 400)
    assert (np.sort(rows)[:, ::-1].cumsum(axis=1) > 1).any()
    assert {len(held) for held in answer_sets(rows, SetRule(score, 1.0))} == {7}


async def test_without_a_calibrator_the_answer_is_raw_and_says_so(house, make_questions):
    for answer in await house.score(*make_questions(3)):
        assert answer.calibrator is None
        assert answer.calibrated.tolist() == answer.probabilities.tolist()


@pytest.mark.parametrize("scope", OTHER_SCOPES.values(), ids=OTHER_SCOPES)
async def test_a_calibrator_of_another_scope_is_never_applied(house, make_questions, scope):
    await house.activated(**scope)
    [answer] = await house.score(*make_questions(1))
    assert answer.calibrator is None


@pytest.mark.parametrize("scope", OTHER_SCOPES.values(), ids=OTHER_SCOPES)
async def test_a_calibrator_of_another_scope_is_refused_by_name(house, make_questions, scope):
    named = house.stored(**scope).id
    try:
        [outcome] = await house.score(*make_questions(1), calibrator=named)
    except (NotReady, NotFound) as error:
        outcome = error
    reason = "CALIBRATOR_NOT_FOUND" if scope.get("model") == "base" else "SCOPE_MISMATCH"
    assert outcome.reason == reason


async def test_a_refused_calibrator_tells_what_it_is_for(house, make_questions):
    of_letters, of_another = house.stored(reading="letter"), house.stored(task="other")
    [outcome] = await house.score(*make_questions(1), calibrator=of_letters.id)
    assert "another way of reading, 'letter', not 'paren'" in str(outcome)
    with pytest.raises(NotReady, match="another task, 'other'"):
        await house.score(*make_questions(1), calibrator=of_another.id)


TEXT_PROMPT, CHAT = TextPrompt("Which?"), ChatPrompt((("user", "Which?"),))
CYCLIC, PRIOR = OrderCorrection.CYCLIC, OrderCorrection.PRIOR
OWN = Format(identifier=" The")

# Ways of reading, each with the prompt of its questions; no two share a calibrator.
READINGS = {
    "paren": (Reading(), None),
    "letter": (Reading(LETTER), None),
    "custom": (Reading(OWN), None),
    "another custom": (Reading(replace(OWN, separator="\n")), None),
    "variants": (Reading(variants=True), None),
    "tokens": (Reading(normalization=Normalization.TOKENS), None),
    "text": (Reading(TEXT), None),
    "bytes": (Reading(TEXT, Normalization.BYTES), None),
    "characters": (Reading(TEXT, Normalization.CHARACTERS), None),
    "pmi": (Reading(TEXT, Normalization.PMI, TextPrompt("Answer:")), None),
    "another pmi": (Reading(TEXT, Normalization.PMI, TextPrompt("A:")), None),
    "cyclic": (Reading(order=CYCLIC), None),
    "prior": (Reading(order=PRIOR), None),
    "given prior": (Reading(order=PRIOR, label_prior=(0.1, 0.2, 0.3, 0.4)), None),
    "prompt": (Reading(), TEXT_PROMPT),
    "chat": (Reading(), CHAT),
    "chat as text": (Reading(TEXT), CHAT),
    "token ids": (Reading(), TokenIdPrompt((70, 71))),
}


@pytest.mark.parametrize("name", READINGS)
async def test_a_calibrator_is_for_one_way_of_reading(house, make_questions, name):
    """It answers there, and nowhere else: neither of itself nor by its name."""

    def asked(prompt):
        [question] = make_questions(1)
        if prompt is None:
            return question
        ids = ((80,), (81,), (82, 83), (84,)) if isinstance(prompt, TokenIdPrompt) else ()
        return replace(question, text="", prompt=prompt, option_ids=ids)

    reading, prompt = READINGS[name]
    calibrator = await house.activated(5.0, reading=reading.key(asked(prompt)))
    for other, (reading, prompt) in READINGS.items():
        [active] = await house.score(asked(prompt), reading=reading)
        [named] = await house.score(asked(prompt), reading=reading, calibrator=calibrator.id)
        if other == name:
            assert active.calibrator == named.calibrator == calibrator
            assert active.calibrated.max() < active.probabilities.max()
        else:
            assert active.calibrator is None, other
            assert named.reason == "SCOPE_MISMATCH", other


async def test_the_mismatch_of_a_way_of_reading_is_each_questions_own(house, make_questions):
    question, chat = make_questions(1)[0], replace(make_questions(1)[0], text="", prompt=CHAT)
    named = house.stored()
    right, wrong, also_right = await house.score(question, chat, question, calibrator=named.id)
    assert right.calibrator == also_right.calibrator == named
    assert wrong.reason == "SCOPE_MISMATCH"


async def test_the_mismatch_of_a_number_of_options_is_each_questions_own(house, make_questions):
    four, three = make_questions(1)[0], make_questions(1, options=3)[0]
    named = house.stored()
    right, wrong, also_right = await house.score(four, three, four, calibrator=named.id)
    assert right.calibrator == also_right.calibrator == named
    assert isinstance(wrong, NotReady)
    assert "4 options, not 3" in wrong.message


async def test_a_named_calibrator_goes_before_the_active_one(house, make_questions):
    await house.activated(2.0)
    named = house.stored(5.0)
    [answer] = await house.score(*make_questions(1), calibrator=named.id)
    assert answer.calibrator == named


async def test_a_task_goes_before_the_default_and_the_default_before_nothing(house, make_questions):
    async def answering(**query):
        [answer] = await house.score(*make_questions(1), **query)
        return answer.calibrator

    assert await answering() is None
    default = await house.activated(5.0, task="")
    assert await answering() == default
    own = await house.activated(2.0)
    assert await answering() == own
    assert await answering(task="other") == default
    assert await answering(task="") == default
    assert await answering(calibrator=default.id) == default, "a default is for every task"
    await house.calibrators.rollback(own)
    assert await answering() == default
    await house.calibrators.rollback(default)
    assert await answering() is None


class Counting(FakeEngine):
    """Counts the prompts that it is asked."""

    def __init__(self):
        super().__init__(seed=7)
        self.prompts = 0

    async def score(self, prompts):
        self.prompts += len(prompts)
        return await super().score(prompts)


@pytest.mark.parametrize("needs", [{"require_calibrated": True}, {"min_confidence": 0.5}])
async def test_what_no_calibrator_can_answer_costs_the_engine_nothing(house, make_questions, needs):
    engine = Counting()
    house.serve("aligned", engine)
    asked = (*make_questions(2), *make_questions(1, options=3))
    outcomes = await house.score(*asked, **needs)
    assert [outcome.reason for outcome in outcomes] == ["NOT_CALIBRATED"] * 3
    calibrator = await house.activated(options=3)
    outcomes = await house.score(*asked[:2], calibrator=calibrator.id)
    assert [outcome.reason for outcome in outcomes] == ["SCOPE_MISMATCH"] * 2
    assert engine.prompts == 0
    *refused, answer = await house.score(*asked, **needs)
    assert [outcome.reason for outcome in refused] == ["NOT_CALIBRATED"] * 2
    assert answer.calibrator == calibrator
    assert engine.prompts > 0


async def test_a_batch_has_a_calibrator_for_each_number_of_options(house, make_questions):
    calibrators = {count: await house.activated(count, options=count) for count in (3, 4)}
    counts = [4, 3, 5, 3, 4]
    asked = [make_questions(5, options=count)[place] for place, count in enumerate(counts)]
    answers = await house.score(*asked)
    assert [len(answer.read.scores) for answer in answers] == counts
    assert [answer.calibrator for answer in answers] == [calibrators.get(n) for n in counts]


async def test_an_answer_does_not_depend_on_its_company(house, make_questions):
    asked = [question for count in (3, 4, 5) for question in make_questions(3, options=count)]
    together = await house.score(*asked[::-1])
    for question, answer in zip(asked[::-1], together, strict=True):
        [alone] = await house.score(question)
        assert answer.read.question == alone.read.question == question
        assert answer.calibrated.tolist() == alone.calibrated.tolist()


async def test_a_question_that_cannot_be_asked_fails_alone(house, make_questions):
    fine = make_questions(2)
    long = replace(fine[0], text="long " * 500)
    unread = replace(fine[0], labels=("A", "B", "A", "D"))
    outcomes = await house.score(fine[0], long, unread, fine[1])
    assert [type(outcome) for outcome in outcomes] == [Answer, InvalidInput, InvalidInput, Answer]
    assert [outcome.field for outcome in outcomes[1:3]] == ["text", "options[2].label"]
    [alone] = await house.score(fine[1])
    assert outcomes[3].read.scores.tolist() == alone.read.scores.tolist()
    assert [type(each) for each in await house.score(long, long)] == [InvalidInput] * 2


async def test_a_query_that_is_wrong_as_a_whole_is_refused(house, make_questions):
    with pytest.raises(NotFound, match="models/other"):
        await house.score(*make_questions(1), model="other")
    with pytest.raises(NotFound) as caught:
        await house.score(*make_questions(1), calibrator="0" * 16)
    assert caught.value.reason == "CALIBRATOR_NOT_FOUND"
    house.stop_serving("aligned")
    with pytest.raises(Unavailable, match="models/aligned is starting"):
        await house.score(*make_questions(1))


async def test_a_sharper_engine_is_seen_at_once(house, make_questions):
    """An engine that took another's place answers; nothing of the old one is kept."""
    [sharp] = await house.score(*make_questions(1))
    house.serve("aligned", FakeEngine(seed=7, sharpness=1.0))
    [plain] = await house.score(*make_questions(1))
    assert plain.probabilities.max() < sharp.probabilities.max()


@pytest.mark.parametrize("reading", [Reading(), Reading(TEXT, order=CYCLIC)], ids=["paren", "text"])
async def test_an_answer_abstains_exactly_where_its_mass_is_too_low(house, make_questions, reading):
    plain = await house.score(*make_questions(20), reading=reading)
    masses = np.array([answer.option_mass for answer in plain])
    assert not any(answer.abstained for answer in plain)
    for least in (np.median(masses), masses[3], np.nextafter(masses[3], 1), 1.0):
        answers = await house.score(
            *make_questions(20), reading=reading, min_option_mass=float(least)
        )
        assert [answer.abstained for answer in answers] == (masses < least).tolist()
        for answer, unasked in zip(answers, plain, strict=True):
            assert answer.probabilities.tolist() == unasked.probabilities.tolist()
    assert answers[0].abstained


async def test_entropy_is_that_of_the_answer_distribution(house, make_questions):
    for answer in await house.score(*make_questions(10), reading=Reading(LETTER)):
        expected = -(answer.probabilities * np.log(answer.probabilities)).sum()
        assert answer.entropy == pytest.approx(expected)
