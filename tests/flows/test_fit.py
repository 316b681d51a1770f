"""The path of a fit: what is fitted, from what, and that it is stored whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from trueodds_service.core.calibrators import Method
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import InvalidInput, NotFound, NotReady, Unavailable
from trueodds_service.flows.fit import FitQuestions, FitScores, NoData, Progress
from trueodds_service.prompts.formats import Format
from trueodds_service.prompts.question import Shot
from trueodds_service.store import Calibrator

SHARPNESS = 3.0
"""The temperature between the fake aligned model and its teacher."""


@pytest.fixture
def stored(house):
    """Everything that the store holds."""
    return lambda: list(house.store.list("aligned", page_size=100).calibrators)


@pytest.fixture
def labelled(house, make_questions):
    """Questions whose answers are drawn from the base model, so that it is calibrated."""

    async def labelled(count, known=None):
        questions = make_questions(count)
        answers = await house.score(*questions, model="base")
        rng = np.random.default_rng(5)
        drawn = [rng.choice(4, p=answer.probabilities) for answer in answers]
        drawn[count if known is None else known :] = [-1] * (count - (known or count))
        return FitQuestions((), questions, np.array(drawn))

    return labelled


def nll(logprobs, answers, temperature):
    scaled = logprobs / temperature
    right = scaled[np.arange(len(answers)), answers]
    return float((np.logaddexp.reduce(scaled, axis=1) - right).mean())


async def scores_of(house, questions, model="aligned"):
    return np.stack([each.logprobs for each in await house.score(*questions, model=model)])


async def test_a_teacher_needs_no_answers_and_gives_its_temperature(house, make_questions):
    source = FitQuestions((), make_questions(100), np.full(100, -1))
    *_, calibrator = await house.fit(source)
    assert calibrator.temperature == pytest.approx(SHARPNESS, rel=1e-3)
    assert calibrator.method == "teacher_kl"
    assert not calibrator.at_bound
    assert not calibrator.undetermined
    assert calibrator.metrics.keys() == {"kl_before", "kl_after"}
    student = await scores_of(house, source.questions)
    teacher = await scores_of(house, source.questions, "base")
    p, q = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (teacher, student))
    divergence = (p * np.log(p / q)).sum(axis=1).mean()
    assert calibrator.metrics["kl_before"] == pytest.approx(divergence)
    assert calibrator.metrics["kl_after"] == pytest.approx(0, abs=1e-6)


async def test_answers_give_the_temperature_that_makes_them_likeliest(house, labelled):
    source = await labelled(200)
    *_, calibrator = await house.fit(source, method=Method.TEMPERATURE)
    logprobs = await scores_of(house, source.questions)
    losses = [
        nll(logprobs, source.answers, calibrator.temperature * factor) for factor in (0.99, 1, 1.01)
    ]
    assert min(losses) == losses[1]
    assert calibrator.metrics["nll_before"] == pytest.approx(nll(logprobs, source.answers, 1))
    assert calibrator.metrics["nll_after"] == pytest.approx(losses[1])


async def test_metrics_are_those_of_the_items_with_answers(house, labelled):
    source = await labelled(80, known=30)
    *_, calibrator = await house.fit(source)
    metrics = calibrator.metrics
    logprobs = (await scores_of(house, source.questions))[:30]
    answers = source.answers[:30]
    probabilities = np.exp(logprobs) / np.exp(logprobs).sum(axis=1, keepdims=True)
    assert calibrator.provenance.items == 80
    assert metrics["labelled"] == 30
    assert metrics["accuracy"] == np.mean(logprobs.argmax(axis=1) == answers)
    assert metrics["confidence_before"] == pytest.approx(probabilities.max(axis=1).mean())
    errors = (probabilities - np.eye(4)[answers]) ** 2
    assert metrics["brier_before"] == pytest.approx(errors.sum(axis=1).mean())
    assert metrics["nll_after"] == pytest.approx(nll(logprobs, answers, calibrator.temperature))
    for name in ("confidence", "ece", "null_ece", "nll", "brier"):
        assert {f"{name}_before", f"{name}_after"} <= metrics.keys()
    assert metrics["confidence_after"] < metrics["confidence_before"]
    assert metrics["nll_after"] < metrics["nll_before"], "the teacher is calibrated here"


@pytest.mark.parametrize(
    ("method", "temperature", "fitted"),
    [(Method.CONSTANT, 2.5, 2.5), (Method.CONSTANT, 0.3, 0.3), (Method.IDENTITY, 9.0, 1.0)],
)
async def test_a_temperature_can_be_had_without_data(house, method, temperature, fitted):
    [calibrator] = await house.fit(NoData(5), method=method, temperature=temperature)
    assert calibrator.temperature == fitted
    assert calibrator.scope.options == 5
    assert calibrator.metrics == {}
    assert (calibrator.provenance.items, calibrator.provenance.data_hash) == (0, "")


async def test_a_calibrator_says_what_it_is_for_and_from(house):
    *_, calibrator = await house.fit(task="own", format=Format.LETTER)
    scope, provenance = calibrator.scope, calibrator.provenance
    assert (scope.model, scope.task, scope.options) == ("aligned", "own", 4)
    assert (scope.format, scope.format_version) == ("letter", 1)
    assert scope.revision == house.catalog.find("aligned").revision
    assert provenance.teacher == "base"
    assert provenance.teacher_revision == house.catalog.find("base").revision
    assert provenance.items == 20
    assert {"trueodds", "numpy", "python", "fake"} <= provenance.versions.keys()


async def test_scores_that_the_caller_has_give_what_the_service_would_have_fitted(
    house, make_questions
):
    *_, from_questions = await house.fit()
    logprobs = await scores_of(house, make_questions(20))
    teacher = await scores_of(house, make_questions(20), "base")
    [from_scores] = await house.fit(FitScores(logprobs, teacher, np.full(20, -1)))
    assert from_scores.temperature == from_questions.temperature
    assert from_scores.provenance.data_hash == from_questions.provenance.data_hash
    assert from_scores.provenance.teacher == "", "nobody knows whose scores they are"


async def test_the_same_fit_is_the_same_calibrator(house, stored):
    first, second = [(await house.fit())[-1] for _ in range(2)]
    assert first.id == second.id
    assert stored() == [first]


async def test_other_data_are_another_calibrator(house, make_questions, stored):
    logprobs = await scores_of(house, make_questions(20))
    teacher = await scores_of(house, make_questions(20), "base")
    unknown, known = np.full(20, -1), np.zeros(20, dtype=int)
    fits = [
        FitScores(logprobs, teacher, unknown),
        FitScores(logprobs, teacher, known),
        FitScores(logprobs, logprobs, unknown),
        FitScores(logprobs[::-1], teacher[::-1], unknown),
    ]
    hashes = {(await house.fit(source))[-1].provenance.data_hash for source in fits}
    assert len(hashes) == len(stored()) == 4


async def test_shots_are_shown_to_the_model_and_to_the_teacher(house, make_questions):
    seen = {}

    class Watched(FakeEngine):
        async def score(self, prompts):
            seen[self] = prompts
            return await super().score(prompts)

    house.serve("aligned", Watched(seed=7, sharpness=SHARPNESS))
    house.serve("base", Watched(seed=7))
    shot = Shot(make_questions(1)[0], 2)
    *_, without = await house.fit(FitQuestions((), make_questions(3), np.full(3, -1)))
    plain = [list(prompts) for prompts in seen.values()]
    *_, shown = await house.fit(FitQuestions((shot,), make_questions(3), np.full(3, -1)))
    for before, after in zip(plain, seen.values(), strict=True):
        assert after[0].length > before[0].length
    assert shown.id != without.id
    assert shown.temperature == pytest.approx(SHARPNESS, rel=1e-3)


@pytest.mark.parametrize(
    ("method", "done", "total"),
    [
        (Method.TEACHER_KL, [64, 128, 150, 214, 278, 300], 300),
        (Method.TEMPERATURE, [64, 128, 150], 150),
    ],
)
async def test_progress_counts_the_prompts_and_the_calibrator_comes_last(
    house, labelled, method, done, total
):
    *progress, calibrator = await house.fit(await labelled(150), method=method)
    assert progress == [Progress(each, total) for each in done]
    assert isinstance(calibrator, Calibrator)


async def test_a_calibrator_is_activated_when_asked_and_answers_at_once(house, make_questions):
    *_, kept = await house.fit()
    [raw] = await house.score(*make_questions(1))
    assert raw.calibrator is None
    *_, active = await house.fit(activate=True)
    [calibrated] = await house.score(*make_questions(1))
    assert calibrated.calibrator == active == kept


@pytest.mark.parametrize("named", [None, "base"])
async def test_the_teacher_is_the_configured_one_unless_named(house, named):
    house.catalog.find("aligned").teacher = "base" if named is None else "other"
    *_, calibrator = await house.fit(teacher=named)
    assert calibrator.provenance.teacher == "base"


class Failing(FakeEngine):
    """Answers some calls, then fails."""

    def __init__(self, calls):
        super().__init__(seed=7, sharpness=SHARPNESS)
        self._calls = calls

    async def score(self, prompts):
        self._calls -= 1
        if self._calls < 0:
            raise RuntimeError("a question's text")
        return await super().score(prompts)


class Massless(FakeEngine):
    """Gives the last prompt of a call no probability."""

    async def score(self, prompts):
        scores = await super().score(prompts)
        return [*scores[:-1], TokenScore(np.full(4, -np.inf), 0.0)]


class TestNothingIsStored:
    """And nothing is activated, although every fit here asks for it."""

    @pytest.fixture
    def refused(self, house, stored):
        async def refused(error, source=None, **query):
            before = house.store.version()
            with pytest.raises(error) as caught:
                await house.fit(source, activate=True, **query)
            assert stored() == []
            assert house.store.version() == before
            return caught.value

        return refused

    @pytest.mark.parametrize("model", ["aligned", "base"])
    @pytest.mark.parametrize("calls", [0, 1])
    async def test_when_an_engine_fails(self, house, refused, make_questions, model, calls):
        house.serve(model, Failing(calls))
        source = FitQuestions((), make_questions(100), np.full(100, -1))
        await refused(RuntimeError, source)

    @pytest.mark.parametrize("model", ["aligned", "base"])
    async def test_when_a_model_is_starting(self, house, refused, model):
        house.stop_serving(model)
        error = await refused(Unavailable)
        assert f"models/{model} " in error.message

    @pytest.mark.parametrize("model", ["aligned", "base"])
    async def test_when_a_question_has_no_mass(self, house, refused, model):
        house.serve(model, Massless())
        error = await refused(NotReady)
        assert error.reason == "NO_OPTION_MASS"
        assert error.message.startswith("questions.items[19].question: ")

    async def test_when_a_question_cannot_be_asked(self, refused, make_questions):
        questions = list(make_questions(70))
        questions[66] = replace(questions[66], text="long " * 500)
        error = await refused(InvalidInput, FitQuestions((), tuple(questions), np.full(70, -1)))
        assert error.field == "questions.items[66].question.text"

    @pytest.mark.parametrize(("method", "count"), [(Method.TEACHER_KL, 1), (Method.TEMPERATURE, 4)])
    @pytest.mark.parametrize("field", ["questions.items", "scores.items"])
    async def test_when_there_are_too_few_items(
        self, house, refused, labelled, method, count, field
    ):
        source = await labelled(count)
        if field == "scores.items":
            logprobs = await scores_of(house, source.questions)
            source = FitScores(logprobs, logprobs, source.answers)
        error = await refused(InvalidInput, source, method=method)
        assert (error.field, error.reason) == (field, "TOO_FEW_ITEMS")

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ({"model": "other"}, NotFound),
            ({"teacher": "other"}, NotFound),
            ({"teacher": "aligned"}, InvalidInput),
            ({"model": "base"}, InvalidInput),
        ],
    )
    async def test_when_a_model_or_a_teacher_is_missing(self, refused, query, error):
        caught = await refused(error, **query)
        if error is InvalidInput:
            assert caught.field == "teacher"

    async def test_when_the_caller_leaves(self, house, stored, make_questions):
        source = FitQuestions((), make_questions(100), np.full(100, -1))
        events = house.start_fit(source, activate=True)
        assert await anext(events) == Progress(64, 200)
        await events.aclose()
        assert stored() == []
