"""Every method from both kinds of data, corrections of bias, teachers, priors, and repetitions."""

import asyncio
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as changed

from trueodds_service.core.calibrators.from_parameters import calibrator_of
from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting import auto
from trueodds_service.core.fitting.data import FitData
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import InvalidInput, NotReady
from trueodds_service.flows.fit_data import FitQuestions, NoData
from trueodds_service.flows.fit_record import Bias
from trueodds_service.prompts.formats import LETTER, TEXT
from trueodds_service.prompts.question import Question, Shot, letters
from trueodds_service.prompts.reading import Reading
from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import FitRequest

SHARPNESS = 3.0
WITH_DATA = [method for method in Method if SPECS[method].min_items]


async def scores_of(house, questions, model="aligned", **query):
    answers = await house.score(*questions, model=model, **query)
    return np.stack([each.read.scores for each in answers])


@pytest.fixture
def data(house, make_questions):
    """The same 80 items as questions and as scores; every second one has an answer."""

    async def data():
        questions = make_questions(80)
        teacher = await house.score(*questions, model="base")
        rng = np.random.default_rng(5)
        answers = np.array([rng.choice(4, p=each.probabilities) for each in teacher])
        answers[::2] = -1
        scores = FitData(
            await scores_of(house, questions),
            answers,
            np.stack([each.read.scores for each in teacher]),
            np.array([each.read.as_asked.format_probability for each in teacher]),
        )
        return FitQuestions((), questions, answers), scores

    return data


@pytest.fixture
def stored(house):
    return lambda: list(house.store.list("aligned", page_size=100).calibrators)


@pytest.fixture
def asked(house):
    """The token prompts of every call, by the model that was asked."""
    prompts = {"aligned": [], "base": []}

    class Watched(FakeEngine):
        def __init__(self, model, **settings):
            super().__init__(seed=7, **settings)
            self._model = model

        async def score(self, asked):
            prompts[self._model].extend(asked)
            return await super().score(asked)

    house.serve("aligned", Watched("aligned", sharpness=SHARPNESS))
    house.serve("base", Watched("base"))
    return prompts


@pytest.mark.parametrize("method", WITH_DATA)
async def test_every_method_fits_from_questions_as_from_their_scores_and_answers(
    house, data, method
):
    questions, scores = await data()
    # Forced: from so few, some methods fall back to another, and are not activated otherwise.
    *_, from_questions = await house.fit(questions, method=method, activate=True, force=True)
    [from_scores] = await house.fit(scores, method=method)
    assert from_questions.method == method
    check_could_be_kept(from_questions)
    assert from_scores.parameters == from_questions.parameters
    assert from_scores.provenance.data_hash == from_questions.provenance.data_hash
    provenance = from_questions.provenance
    assert (provenance.items, provenance.labelled) == (80, 40)
    assert (provenance.teacher == "base") == SPECS[method].needs_teacher
    assert from_questions.metrics["labelled"] == 40
    applied = calibrator_of(method, from_questions.parameters)
    [answer] = await house.score(questions.questions[0])
    assert answer.calibrator == from_questions
    assert answer.calibrated == pytest.approx(applied.apply(answer.read.scores), abs=1e-12)
    assert answer.calibrated.sum() == pytest.approx(1)


@pytest.mark.parametrize("method", [each for each in WITH_DATA if SPECS[each].needs_labels])
async def test_methods_that_need_answers_learn_from_the_items_that_have_one(house, data, method):
    _, scores = await data()
    [partly] = await house.fit(scores, method=method)
    [fully] = await house.fit(scores.take(scores.known), method=method)
    assert partly.parameters == fully.parameters
    assert partly.metrics["nll_after"] == fully.metrics["nll_after"]


class TestBias:
    async def test_of_a_batch_is_the_mean_logprob_of_each_label(self, house, data):
        _, scores = await data()
        [calibrator] = await house.fit(scores, method=Method.IDENTITY, bias=Bias.BATCH)
        log_probs = scores.logprobs - np.logaddexp.reduce(scores.logprobs, axis=1, keepdims=True)
        bias = np.array(calibrator.parameters["log_prior"])
        assert np.ptp(bias - log_probs.mean(axis=0)) == pytest.approx(0, abs=1e-12)
        assert calibrator.bias_correction == "batch"
        assert not calibrator.keeps_choice
        assert calibrator.temperature == 1

    async def test_the_choice_is_that_of_the_corrected_probabilities(self, house, data):
        questions, _ = await data()
        *_, calibrator = await house.fit(questions, bias=Bias.BATCH, activate=True)
        bias = np.array(calibrator.parameters["log_prior"])
        answers = await house.score(*questions.questions)
        raw = np.stack([each.read.scores for each in answers])
        assert [each.choice for each in answers] == (raw - bias).argmax(axis=1).tolist()
        assert [each.choice for each in answers] != raw.argmax(axis=1).tolist()
        for each in answers:
            assert each.choice == each.calibrated.argmax()

    async def test_contextual_asks_the_model_without_content_and_keeps_its_options(
        self, house, make_questions, asked
    ):
        questions = make_questions(6)
        source = FitQuestions((), questions, np.full(6, -1))
        *progress, calibrator = await house.fit(source, bias=Bias.CONTEXTUAL)
        assert progress[-1].total == 6 + 6 + 3
        assert (len(asked["aligned"]), len(asked["base"])) == (9, 6)
        empty = [Question(text, questions[0].options, letters(4)) for text in ("N/A", "", "[MASK]")]
        content_free = await scores_of(house, empty)
        student = await scores_of(house, questions)
        teacher = await scores_of(house, questions, "base")
        scores = FitData(student, teacher_logprobs=teacher, content_free=content_free)
        [from_scores] = await house.fit(scores, bias=Bias.CONTEXTUAL)
        assert from_scores.parameters == calibrator.parameters
        assert calibrator.bias_correction == "contextual"

    async def test_contextual_asks_with_the_options_of_some_items_where_they_differ(
        self, house, asked
    ):
        questions = tuple(
            Question("Which?", (f"tin {n}", f"oak {n}"), letters(2)) for n in range(40)
        )
        await house.fit(FitQuestions((), questions, np.full(40, -1)), bias=Bias.CONTEXTUAL)
        assert len(asked["aligned"]) == 40 + 3 * 16


class TestTeacher:
    async def test_is_shown_shots_of_its_own(self, house, make_questions, asked):
        shots = tuple(Shot(each, 0) for each in make_questions(2))
        source = FitQuestions(shots[:1], make_questions(3), np.full(3, -1), shots)
        await house.fit(source)
        assert min(each.length for each in asked["base"]) > max(
            each.length for each in asked["aligned"]
        )

    async def test_is_read_in_a_way_of_its_own(self, house, make_questions):
        questions = make_questions(30)
        source = FitQuestions((), questions, np.full(30, -1))
        letter = Reading(LETTER)
        *_, calibrator = await house.fit(source, teacher_reading=letter)
        student = await scores_of(house, questions)
        teacher = await scores_of(house, questions, "base", reading=letter)
        [from_scores] = await house.fit(FitData(student, teacher_logprobs=teacher))
        assert calibrator.parameters == from_scores.parameters
        assert calibrator.scope.reading == "paren"
        assert calibrator.provenance.teacher_reading == "letter"


class TestPrior:
    """What other tasks tell of a temperature."""

    @pytest.fixture
    def taught(self, house):
        """Fits a task to a teacher that is so much less sharp."""

        async def taught(task, temperature, method=Method.TEACHER_KL, **query):
            teacher = np.random.default_rng(len(task)).normal(size=(40, 4))
            noise = np.random.default_rng(1).normal(scale=0.1, size=(40, 4))
            scores = FitData(temperature * teacher + noise, teacher_logprobs=teacher)
            [calibrator] = await house.fit(scores, task=task, method=method, **query)
            return calibrator

        return taught

    async def test_comes_from_the_newest_of_each_other_task(self, house, taught):
        await taught("law", 9.0)
        told = [await taught("law", 2.0), await taught("art", 2.4), await taught("physics", 2.2)]
        await taught("", 5.0)
        await taught("own", 5.0)
        await taught("other reading", 5.0, reading=Reading(TEXT))
        await taught("other bias", 5.0, bias=Bias.BATCH)
        pooled = await taught("own", 6.0, Method.TEACHER_POOLED)
        prior = pooled.provenance.prior
        assert set(prior.calibrators) == {each.id for each in told}
        assert math.log(2) < prior.mean < math.log(2.4)
        alone = await taught("own", 6.0)
        assert pooled.temperature < alone.temperature
        assert pooled.fallback == ""

    async def test_is_absent_where_there_are_too_few(self, taught):
        await taught("law", 2.0)
        pooled = await taught("own", 3.0, Method.TEACHER_POOLED)
        assert pooled.provenance.prior is None
        assert pooled.temperature == (await taught("own", 3.0)).temperature
        assert pooled.fallback

    async def test_is_all_there_is_where_the_items_give_no_temperature(self, house, taught):
        told = [await taught(task, 2.0) for task in ("law", "art", "physics")]
        sure = FitData(np.eye(4) * 9, teacher_logprobs=np.zeros((4, 4)))
        [pooled] = await house.fit(sure, task="own", method=Method.TEACHER_POOLED)
        assert pooled.degenerate == "the prior's mean: the items alone give no temperature"
        assert pooled.temperature == pytest.approx(told[0].temperature, rel=0.1)

    async def test_pooled_tasks_tell_what_their_own_items_do(self, taught):
        for task in ("law", "art", "physics"):
            await taught(task, 2.0, Method.TEACHER_POOLED)
        pooled = await taught("own", 3.0, Method.TEACHER_POOLED)
        assert len(pooled.provenance.prior.calibrators) == 3

    async def test_is_that_of_the_same_teacher(self, house, taught, data):
        for task in ("law", "art", "physics"):  # of scores: nobody knows whose
            await taught(task, 2.0)
        questions, _ = await data()

        async def taught_by_base(task):
            query = {"task": task, "method": Method.TEACHER_POOLED, "activate": False}
            *_, calibrator = await house.fit(questions, **query)
            return calibrator

        told = {(await taught_by_base(task)).id for task in ("truth", "logic")}
        pooled = await taught_by_base("own")
        assert set(pooled.provenance.prior.calibrators) == told
        assert (
            len((await taught("own", 3.0, Method.TEACHER_POOLED)).provenance.prior.calibrators) == 3
        )

    async def test_is_of_no_other_method(self, taught):
        for task in ("law", "art", "physics"):
            await taught(task, 2.0)
        assert (await taught("own", 3.0)).provenance.prior is None


class TestRepetition:
    ASKED = FitRequest("nightly", "a hash")

    async def test_an_answered_request_asks_nobody(self, house, make_questions, asked, stored):
        *_, first = await house.fit(request=self.ASKED)
        asked["aligned"].clear()
        [again] = await house.fit(request=self.ASKED)
        assert again == first
        assert asked["aligned"] == []
        assert stored() == [first]

    async def test_another_request_of_that_name_is_refused(self, house, stored):
        *_, first = await house.fit(request=self.ASKED)
        with pytest.raises(InvalidInput) as caught:
            await house.fit(request=replace(self.ASKED, fingerprint="other"))
        assert (caught.value.field, caught.value.reason) == ("request_id", "REQUEST_ID_REUSED")
        assert stored() == [first]

    async def test_equal_requests_at_once_get_one_answer(self, house, data, stored):
        questions, _ = await data()
        results = await asyncio.gather(
            *(house.fit(questions, activate=True, request=self.ASKED) for _ in range(4))
        )
        [kept] = stored()
        assert [events[-1] for events in results] == [kept] * 4
        assert house.store.version() == 1

    async def test_a_repetition_does_not_activate_again(self, house):
        *_, first = await house.fit(activate=True, request=self.ASKED)
        await house.calibrators.rollback(first)
        await house.fit(activate=True, request=self.ASKED)
        assert not house.calibrators.is_active(first)


@pytest.mark.parametrize("source", [None, NoData(4)])
async def test_a_dry_run_tells_all_and_keeps_nothing(house, stored, source):
    method = Method.TEACHER_KL if source is None else Method.CONSTANT
    query = {"source": source, "method": method, "activate": True}
    *_, dry = await house.fit(**query, validate_only=True, request=FitRequest("dry", "hash"))
    assert stored() == []
    assert house.store.version() == 0
    assert not house.calibrators.is_active(dry)
    *_, kept = await house.fit(**query)
    assert kept.id == dry.id


async def test_an_option_without_any_probability_is_refused_by_its_item(house, make_questions):
    class RuledOut(FakeEngine):
        async def score(self, prompts):
            scores = await super().score(prompts)
            one, two, _, *others = scores[-1].continuations
            last = changed(scores[-1], continuations=(one, two, -math.inf, *others))
            return [*scores[:-1], last]

    house.serve("base", RuledOut(seed=7))
    with pytest.raises(NotReady) as caught:
        await house.fit(FitQuestions((), make_questions(5), np.full(5, -1)))
    assert caught.value.reason == "INFINITE_SCORE"
    assert caught.value.message.startswith("questions.items[4].question, models/base: option 2 ")


class TestAuto:
    """What the data allow, compared where there are answers enough; and the record says so."""

    async def test_with_answers_methods_are_compared(self, house, data):
        _, scores = await data()
        [calibrator] = await house.fit(scores, method=None)
        selection = calibrator.selection
        assert calibrator.method in {each.method for each in selection.candidates}
        measured = [each for each in selection.candidates if each.score is not None]
        assert len(measured) > 3
        assert selection.criterion.startswith("nll, ")
        assert selection.reason
        for each in selection.candidates:
            assert (each.score is None) == bool(each.excluded)
        best = min(each.score for each in measured)
        [chosen] = [each for each in measured if each.method == calibrator.method]
        assert chosen.score <= best + chosen.standard_error
        assert house.store.get("aligned", calibrator.id) == calibrator

    async def test_without_answers_the_teacher_decides(self, house, make_questions):
        *_, calibrator = await house.fit(method=None)
        assert calibrator.method == Method.TEACHER_KL
        assert calibrator.selection.criterion == "what the data allow"
        assert calibrator.temperature == pytest.approx(SHARPNESS, rel=1e-3)

    async def test_without_a_teacher_or_answers_nothing_is_changed(self, house, make_questions):
        source = FitQuestions((), make_questions(9), np.full(9, -1))
        *_, calibrator = await house.fit(source, method=None, model="base")
        assert (calibrator.method, calibrator.temperature) == (Method.IDENTITY, 1)
        assert calibrator.provenance.teacher == ""

    async def test_the_same_data_give_the_same_choice(self, house, data, stored):
        _, scores = await data()
        for _ in range(2):
            await house.fit(scores, method=None)
        assert len(stored()) == 1

    async def test_others_are_answered_meanwhile(self, house, data, make_questions, monkeypatch):
        """The comparison runs off the event loop."""
        started, go_on = threading.Event(), threading.Event()
        choose = auto.choose

        def slow(*args):
            started.set()
            assert go_on.wait(60)
            return choose(*args)

        monkeypatch.setattr(auto, "choose", slow)
        _, scores = await data()
        fitting = asyncio.create_task(house.fit(scores, method=None))
        await asyncio.to_thread(started.wait, 30)
        assert len(await house.score(*make_questions(3))) == 3
        go_on.set()
        await fitting
