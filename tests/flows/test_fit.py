"""The path of a fit: what is fitted, from what, and that it is stored whole or not at all."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import InvalidInput, NotFound, NotReady, Unavailable
from trueodds_service.flows import fit as fit_flow
from trueodds_service.flows import fit_data, store_calls
from trueodds_service.flows.fit import FitQuestions, NoData, Progress
from trueodds_service.prompts.formats import FORMAT_VERSION, LETTER, TEXT
from trueodds_service.prompts.question import ChatPrompt, Question, Shot, TextPrompt, TokenIdPrompt
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading
from trueodds_service.store import Calibrator
from trueodds_service.store.errors import StoreUnavailable
from trueodds_service.store.records import FitRequest

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


async def scores_of(house, questions, model="aligned", **query):
    answers = await house.score(*questions, model=model, **query)
    return np.stack([each.read.scores for each in answers])


async def test_a_teacher_needs_no_answers_and_gives_its_temperature(house, make_questions):
    source = FitQuestions((), make_questions(100), np.full(100, -1))
    *_, calibrator = await house.fit(source)
    assert calibrator.temperature == pytest.approx(SHARPNESS, rel=1e-3)
    assert calibrator.method == "teacher_kl"
    assert not calibrator.at_bound
    assert not calibrator.undetermined
    told = {"disagreement", "kl_before", "kl_after", "log_t", "log_t_error"}
    assert calibrator.metrics.keys() == told
    assert calibrator.metrics["disagreement"] == 0, "sharper, and of the same order"
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
    *_, calibrator = await house.fit(task="own", reading=Reading(LETTER))
    scope, provenance = calibrator.scope, calibrator.provenance
    assert (scope.model, scope.task, scope.options) == ("aligned", "own", 4)
    assert (scope.reading, scope.format_version) == ("letter", FORMAT_VERSION)
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
    [from_scores] = await house.fit(FitData(logprobs, teacher_logprobs=teacher))
    assert from_scores.temperature == from_questions.temperature
    assert from_scores.provenance.data_hash == from_questions.provenance.data_hash
    assert from_scores.provenance.teacher == "", "nobody knows whose scores they are"


CHAT = ChatPrompt((("user", "Which?"),))
PRIOR = (0.1, 0.2, 0.3, 0.4)
READINGS = {
    "text": (Reading(TEXT), None),
    "text+bytes": (Reading(TEXT, Normalization.BYTES), None),
    "text+tokens+variants": (Reading(TEXT, Normalization.TOKENS, variants=True), None),
    "text+pmi": (Reading(TEXT, Normalization.PMI, TextPrompt("Answer:")), None),
    "letter+cyclic": (Reading(LETTER, order=OrderCorrection.CYCLIC), None),
    "paren+prior": (Reading(order=OrderCorrection.PRIOR, label_prior=PRIOR), None),
    "prompt+paren": (Reading(), TextPrompt),
    "chat+letter": (Reading(LETTER), lambda text: ChatPrompt((("user", text),))),
    "tokens+letter": (Reading(LETTER), lambda text: TokenIdPrompt(tuple(text.encode()))),
}


def prompted(count, make):
    """Questions that differ, with the prompts that ``make`` makes of a text."""
    options = ("tin", "gold or silver", "oak", "ash tree")
    return tuple(
        Question(
            "" if make else f"{number}?",
            options,
            ("A", "B", "C", "D"),
            prompt=make and make(f"{number}?"),
            option_ids=((80,), (81, 82), (83,), (84,))
            if make and "Token" in str(make("x"))
            else (),
        )
        for number in range(count)
    )


@pytest.mark.parametrize("name", READINGS)
async def test_a_fit_is_of_the_scores_that_will_be_calibrated(house, name):
    """Of the way of reading, its normalization and its correction; and it answers there."""
    reading, make = READINGS[name]
    questions = prompted(70, make)
    source = FitQuestions((), questions, np.full(70, -1))
    *_, calibrator = await house.fit(source, reading=reading, activate=True)
    assert calibrator.scope.reading.startswith(name)
    student = await scores_of(house, questions, reading=reading)
    teacher = await scores_of(house, questions, "base", reading=reading)
    [from_scores] = await house.fit(FitData(student, teacher_logprobs=teacher))
    assert calibrator.provenance.data_hash == from_scores.provenance.data_hash
    assert calibrator.temperature == from_scores.temperature
    [answer] = await house.score(questions[0], reading=reading)
    assert answer.calibrator == calibrator


async def test_the_same_fit_is_the_same_calibrator(house, stored):
    first, second = [(await house.fit())[-1] for _ in range(2)]
    assert first.id == second.id
    assert stored() == [first]


async def test_other_data_are_another_calibrator(house, make_questions, stored):
    logprobs = await scores_of(house, make_questions(20))
    teacher = await scores_of(house, make_questions(20), "base")
    known = np.zeros(20, dtype=int)
    fits = [
        FitData(logprobs, teacher_logprobs=teacher),
        FitData(logprobs, known, teacher),
        FitData(logprobs[::-1], teacher_logprobs=teacher[::-1]),
        FitData(logprobs, teacher_logprobs=logprobs),
    ]
    hashes = [(await house.fit(source))[-1].provenance.data_hash for source in fits]
    assert len(stored()) == 4
    assert len(set(hashes)) == 3
    assert hashes[0] == hashes[3], "the model's own scores, by which an evaluation knows them"


async def test_what_the_prompts_were_made_of_is_told_by_a_hash(house, make_questions):
    asked = make_questions(6)
    unknown = np.full(6, -1)
    fits = [
        FitQuestions((), asked, unknown),
        FitQuestions((), asked[:5], unknown[:5]),
        FitQuestions((Shot(asked[5], 0),), asked[:5], unknown[:5]),
    ]
    hashes = [(await house.fit(source))[-1].provenance.prompts_hash for source in [*fits, fits[0]]]
    assert len(set(hashes)) == 3
    assert hashes[0] == hashes[3]


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


async def test_what_was_read_is_let_go_while_a_fit_goes_on(house, make_questions):
    alive = []
    async for event in house.start_fit(FitQuestions((), make_questions(200), np.full(200, -1))):
        if isinstance(event, Progress):
            alive.append(sum(type(each) is TokenPrompt for each in gc.get_objects()))
    assert len(alive) == 8
    assert max(alive) - min(alive) <= 64, "no more than those of one part"


async def test_a_fit_leaves_the_event_loop_to_others(house, in_threads):
    seen = in_threads((fit_data, "score_rows"), (fit_flow, "prompts_hash"))
    await house.fit()
    assert seen["score_rows"] == seen["prompts_hash"] == {False}


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
        return [*scores[:-1], TokenScore((-np.inf,) * 4, (False,) * 4)]


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
        assert error.message.startswith(f"questions.items[19].question, models/{model}: ")

    async def test_when_a_question_cannot_be_asked(self, refused, make_questions):
        questions = list(make_questions(70))
        questions[66] = replace(questions[66], text="long " * 500)
        error = await refused(InvalidInput, FitQuestions((), tuple(questions), np.full(70, -1)))
        assert error.field == "questions.items[66].question.text"

    async def test_when_its_questions_are_not_read_in_one_way(self, refused, make_questions):
        questions = list(make_questions(3))
        questions[2] = replace(questions[2], text="", prompt=CHAT)
        error = await refused(InvalidInput, FitQuestions((), tuple(questions), np.full(3, -1)))
        assert error.field == "questions.items[2].question.prompt"

    async def test_when_the_unconditional_prompt_is_wrong(self, refused):
        reading = Reading(TEXT, Normalization.PMI, TokenIdPrompt((10**6,)))
        error = await refused(InvalidInput, reading=reading)
        assert error.field == "reading.unconditional_prompt.token_ids"

    @pytest.mark.parametrize(("method", "count"), [(Method.TEACHER_KL, 1), (Method.TEMPERATURE, 4)])
    @pytest.mark.parametrize("field", ["questions.items", "scores.items"])
    async def test_when_there_are_too_few_items(
        self, house, refused, labelled, method, count, field
    ):
        source = await labelled(count)
        if field == "scores.items":
            logprobs = await scores_of(house, source.questions)
            source = FitData(logprobs, source.answers, logprobs)
        error = await refused(InvalidInput, source, method=method)
        assert (error.field, error.reason) == (field, "TOO_FEW_ITEMS")

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ({"model": "other"}, NotFound),
            ({"teacher": "other"}, NotFound),
            ({"teacher": "aligned"}, InvalidInput),
            ({"model": "base"}, InvalidInput),
            ({"model": "base", "method": Method.AGREEMENT_KL}, InvalidInput),
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


async def test_a_store_that_is_away_as_a_fit_ends_is_asked_again_and_keeps_it_once(
    house, monkeypatch
):
    put, tried = house.store.put, []

    def away(*args, **kwargs):
        tried.append(kwargs["activate"])
        if len(tried) == 1:
            raise StoreUnavailable("before it was kept")
        kept = put(*args, **kwargs)
        if len(tried) == 2:
            raise StoreUnavailable("after it was kept, and before that was told")
        return kept

    monkeypatch.setattr(house.store, "put", away)
    monkeypatch.setattr(store_calls, "_AGAIN_SECONDS", 0.0)
    (*_, calibrator) = await house.fit(activate=True, request=FitRequest("once", "f" * 64))
    assert tried == [True] * 3
    assert house.calibrators.active(calibrator.scope).id == calibrator.id
    assert [each.id for each in house.store.list("aligned", page_size=9).calibrators] == [
        calibrator.id
    ]
    assert len(house.store.history(calibrator.scope)) == 1


@pytest.mark.parametrize("method", [None, Method.TEACHER_POOLED])
async def test_what_other_tasks_tell_is_asked_before_the_engines(house, monkeypatch, method):
    def away(*args, **kwargs):
        raise StoreUnavailable("since engines work")

    async for event in house.start_fit(method=method):
        if isinstance(event, Progress):
            monkeypatch.setattr(house.store, "list", away)
    assert isinstance(event, Calibrator)


@pytest.mark.parametrize("validate_only", [False, True])
async def test_where_no_more_may_be_kept_engines_work_for_a_dry_run_only(
    house, monkeypatch, validate_only
):
    """And for a request that was answered before."""
    *_, kept = await house.fit(request=FitRequest("nightly-7", "a hash"))
    monkeypatch.setattr(house.store, "_most", 1)
    house.serve("aligned", Failing(0))
    *_, again = await house.fit(request=FitRequest("nightly-7", "a hash"))
    assert again == kept
    with pytest.raises(RuntimeError if validate_only else NotReady, match=" ") as refusal:
        await house.fit(validate_only=validate_only)
    assert validate_only or refusal.value.reason == "TOO_MANY_CALIBRATORS"


async def test_a_store_that_stays_away_fails_the_fit_in_the_end(house, monkeypatch):
    def away(*args, **kwargs):
        raise StoreUnavailable("for ever")

    monkeypatch.setattr(house.store, "put", away)
    monkeypatch.setattr(store_calls, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(fit_flow, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(Unavailable) as refusal:
        await house.fit()
    assert refusal.value.reason == "STORE_UNAVAILABLE"
