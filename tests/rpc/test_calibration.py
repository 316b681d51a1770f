"""CalibrationService: fit, look, activate, take back."""

import asyncio
import threading

import grpc
import numpy as np
import pytest

from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import reading_pb2
from trueodds.v1.model_pb2 import ListModelsRequest as ListModels
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.prompts.formats import FORMAT_VERSION

TEACHER_KL, TEMPERATURE = pb.METHOD_TEACHER_KL, pb.METHOD_TEMPERATURE
SHARPNESS = 3.0
"""The temperature between the fake aligned model and its teacher."""

NOT_FOUND = grpc.StatusCode.NOT_FOUND
FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def fit(service, task):
    """Fits a calibrator for the test's own task; all that the service says."""

    def fit(on=service, **fields):
        if not {"scores", "questions", "options"} & fields.keys():
            fields = {"method": pb.METHOD_CONSTANT, "options": 4, **fields}
        request = pb.FitCalibratorRequest(**{"model": "models/aligned", "task": task, **fields})
        return list(on.calibration.FitCalibrator(request))

    return fit


@pytest.fixture
def constant(fit):
    """A stored calibrator of a temperature of one's own."""
    return lambda temperature=2.0, **fields: fit(temperature=temperature, **fields)[0].calibrator


@pytest.fixture
def calls(service):
    """The calls that take a name."""

    class Calls:
        @staticmethod
        def get(name):
            return service.calibration.GetCalibrator(pb.GetCalibratorRequest(name=name)).calibrator

        @staticmethod
        def activate(name):
            request = pb.ActivateCalibratorRequest(name=name)
            return service.calibration.ActivateCalibrator(request).calibrator

        @staticmethod
        def rollback(name):
            return service.calibration.RollbackCalibrator(pb.RollbackCalibratorRequest(name=name))

        @staticmethod
        def list(**fields):
            request = pb.ListCalibratorsRequest(**{"model": "models/aligned", **fields})
            return service.calibration.ListCalibrators(request)

    return Calls


@pytest.fixture
def taught(question):
    """Questions without answers."""
    items = [pb.FitQuestion(question=question(f"Question {n}?")) for n in range(70)]
    return {"method": TEACHER_KL, "questions": pb.FitQuestions(items=items)}


def test_a_fit_tells_its_progress_and_ends_in_a_calibrator(fit, taught):
    *progress, last = fit(**taught)
    counts = [(each.progress.done, each.progress.total) for each in progress]
    assert counts == [(64, 140), (70, 140), (134, 140), (140, 140)]
    assert last.WhichOneof("event") == "calibrator"


def test_a_calibrator_says_what_it_is_for_and_from(fit, taught, service, task, calls):
    calibrator = fit(**taught)[-1].calibrator
    models = {each.name: each for each in service.models.ListModels(ListModels()).models}
    assert calibrator.scope == pb.Scope(
        model="models/aligned",
        model_revision=models["models/aligned"].revision,
        task=task,
        reading="paren",
        format_version=FORMAT_VERSION,
        options=4,
    )
    assert calibrator.method == TEACHER_KL
    assert calibrator.temperature == pytest.approx(SHARPNESS, rel=1e-3)
    assert calibrator.provenance.teacher == "models/base"
    assert calibrator.provenance.teacher_revision == models["models/base"].revision
    assert calibrator.provenance.items == 70
    assert calibrator.metrics["kl_after"] < calibrator.metrics["kl_before"]
    assert calibrator.create_time.seconds > 0
    assert not calibrator.active
    assert calls.get(calibrator.name) == calibrator


def test_scores_with_answers_give_a_temperature(fit):
    """Four of five are right, so p has to be 4/5: T where the difference of 4 becomes ln 4."""
    item = {"logprobs": [-1.0, -5.0]}
    items = [pb.FitScore(**item, answer=answer) for answer in [0, 0, 0, 0, 1] * 4]
    calibrator = fit(method=TEMPERATURE, scores=pb.FitScores(items=items))[-1].calibrator
    assert calibrator.temperature == pytest.approx(4 / np.log(4), rel=1e-6)
    assert calibrator.scope.options == 2
    assert calibrator.metrics["accuracy"] == 0.8
    assert calibrator.metrics["confidence_after"] == pytest.approx(0.8)
    assert calibrator.metrics["ece_after"] == pytest.approx(0, abs=1e-6)
    assert calibrator.metrics["labelled"] == 20


def test_scores_with_a_teachers_need_no_answers(fit):
    rng = np.random.default_rng(1)
    teacher = rng.normal(size=(30, 3))
    items = [pb.FitScore(logprobs=1.7 * row, teacher_logprobs=row) for row in teacher]
    calibrator = fit(method=TEACHER_KL, scores=pb.FitScores(items=items))[-1].calibrator
    assert calibrator.temperature == pytest.approx(1.7, rel=1e-4)
    assert calibrator.provenance.teacher == ""


@pytest.mark.parametrize(
    ("method", "temperature", "fitted"),
    [
        (pb.METHOD_CONSTANT, None, 2.5),
        (pb.METHOD_CONSTANT, 0.001, 0.001),
        (pb.METHOD_CONSTANT, 1000, 1000),
        (pb.METHOD_IDENTITY, None, 1),
    ],
)
def test_methods_without_data(fit, method, temperature, fitted):
    [event] = fit(method=method, temperature=temperature, options=26)
    assert event.calibrator.temperature == fitted
    assert event.calibrator.method == method
    assert event.calibrator.scope.options == 26


def test_what_is_activated_answers_and_what_is_taken_back_does_not(
    service, question, task, constant, calls
):
    def answer():
        return service.score(question(), task=task)

    raw = answer()
    first, second = constant(2.0), constant(4.0)
    for calibrator in (first, second):
        assert calls.activate(calibrator.name).active
        calibrated = answer()
        assert (calibrated.calibrated, calibrated.calibrator) == (True, calibrator.name)
        assert calibrated.choice == raw.choice
        assert calibrated.confidence == raw.confidence
        powers = np.exp([each.logprob / calibrator.temperature for each in raw.options])
        assert [each.calibrated_probability for each in calibrated.options] == pytest.approx(
            powers / powers.sum()
        )
        best = calibrated.options[calibrated.choice]
        assert calibrated.calibrated_confidence == best.calibrated_probability
    assert not calls.get(first.name).active
    assert calls.rollback(second.name).calibrator.name == first.name
    assert answer().calibrator == first.name
    assert not calls.rollback(first.name).HasField("calibrator")
    assert answer() == raw


def test_activating_the_active_one_changes_nothing(constant, calls):
    calibrator = constant()
    for _ in range(3):
        calls.activate(calibrator.name)
    assert not calls.rollback(calibrator.name).HasField("calibrator")


def test_a_repeated_rollback_does_not_go_two_steps(constant, calls, refused):
    first, second = constant(2.0), constant(3.0)
    for calibrator in (first, second):
        calls.activate(calibrator.name)
    calls.rollback(second.name)
    with refused(FAILED_PRECONDITION, reason="CALIBRATOR_NOT_ACTIVE"):
        calls.rollback(second.name)
    assert calls.get(first.name).active


def test_a_fit_can_activate(constant, calls):
    assert constant(activate=True).active
    assert not constant(3.0).active


def test_a_default_answers_for_a_task_without_its_own(start_service, question, fit, task):
    service = start_service()
    [event] = fit(service, task="", activate=True)
    assert service.score(question(), task=task).calibrator == event.calibrator.name
    assert not service.score(question(options=3), task=task).calibrated
    [own] = fit(service, temperature=3.0, activate=True)
    assert service.score(question(), task=task).calibrator == own.calibrator.name


def test_activations_outlive_the_service(start_service, question, fit, task):
    [event] = fit(start_service(), activate=True)
    answer = start_service().score(question(), task=task)
    assert answer.calibrator == event.calibrator.name


def test_other_weights_are_not_answered_by_the_old_calibrator(
    start_service, weights, tmp_path, question, fit, task, refused
):
    [event] = fit(start_service(), activate=True)
    other = tmp_path / "other"
    other.mkdir()
    for file in weights.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "model.safetensors").write_bytes(b"trained further")
    models = [{"name": "aligned", "weights": other, "engine": {"backend": "fake"}}]
    trained = start_service(models=models)
    assert not trained.score(question(), task=task).calibrated
    with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
        trained.score(question(), task=task, calibrator=event.calibrator.name)


def test_a_named_calibrator_has_to_match(service, question, task, constant, refused, details):
    name = constant().name
    assert service.score(question(), task=task, calibrator=name).calibrator == name
    for wrong in ({"task": "other"}, {"task": task, "format": reading_pb2.FORMAT_LETTER}):
        with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
            service.score(question(), calibrator=name, **wrong)
    with refused(FAILED_PRECONDITION, reason="SCOPE_MISMATCH"):
        service.score(question(options=3), task=task, calibrator=name)
    right, wrong = service.batch([question(), question(options=3)], task=task, calibrator=name)
    assert right.answer.calibrator == name
    assert details(wrong.error)["reason"] == "SCOPE_MISMATCH"


def test_a_listing_has_the_newest_first_a_page_at_a_time(constant, calls, task):
    names = [constant(temperature).name for temperature in range(2, 9)][::-1]
    assert [each.name for each in calls.list(task=task).calibrators] == names
    found, token = [], ""
    for size in (3, 3, 1):
        page = calls.list(task=task, page_size=3, page_token=token)
        assert len(page.calibrators) == size
        found += [each.name for each in page.calibrators]
        token = page.next_page_token
    assert found == names
    assert token == ""


@pytest.mark.parametrize("size", [1000, 2**31 - 1])
def test_a_page_of_any_size_may_be_asked_for(constant, calls, task, size):
    name = constant().name
    assert [each.name for each in calls.list(task=task, page_size=size).calibrators] == [name]


def test_a_listing_of_a_task_has_no_others(start_service, fit, task):
    service = start_service()
    names = {each: fit(service, task=each)[0].calibrator.name for each in ["", "a", "b"]}

    def listed(**fields):
        request = pb.ListCalibratorsRequest(model="models/aligned", **fields)
        return {each.name for each in service.calibration.ListCalibrators(request).calibrators}

    for each, name in names.items():
        assert listed(task=each) == {name}
    assert listed(task="c") == set()
    assert listed() == {*names.values()}
    request = pb.ListCalibratorsRequest(model="models/base")
    assert not service.calibration.ListCalibrators(request).calibrators


def test_a_page_token_is_of_its_listing(constant, calls, task, refused):
    for temperature in (2, 3):
        constant(temperature)
    token = calls.list(task=task, page_size=1).next_page_token
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="page_token"):
        calls.list(task="other", page_token=token)


@pytest.mark.parametrize("call", ["get", "activate", "rollback"])
@pytest.mark.parametrize("place", ["nowhere", "of another model", "of no model"])
def test_a_calibrator_that_is_not_there(constant, calls, refused, call, place):
    name = {
        "nowhere": f"models/aligned/calibrators/{'0' * 16}",
        "of another model": constant().name.replace("aligned", "base"),
        "of no model": constant().name.replace("aligned", "other"),
    }[place]
    with refused(NOT_FOUND, reason="CALIBRATOR_NOT_FOUND"):
        getattr(calls, call)(name)


def test_a_model_that_is_not_there(service, question, fit, calls, refused):
    for call in (
        lambda: calls.list(model="models/other"),
        lambda: fit(model="models/other"),
        lambda: service.score(question(), model="models/other"),
        lambda: service.batch([question()], model="models/other"),
    ):
        with refused(NOT_FOUND, reason="MODEL_NOT_FOUND"):
            call()


@pytest.mark.parametrize("lost", ["aligned", "base"])
def test_a_fit_waits_no_longer_for_a_model_than_others(
    start_service, taught, fit, refused, no_replacement, lost
):
    service = start_service()
    service.run(service.app.model_lost(lost))
    with refused(grpc.StatusCode.UNAVAILABLE, reason="ENGINE_LOST"):
        fit(service, **taught)


def test_what_needs_no_model_is_served_while_it_starts(start_service, fit):
    service = start_service(ready=False)
    [event] = fit(service, activate=True)
    assert event.calibrator.active


NAMES = [value.name for value in pb.Method.DESCRIPTOR.values]
# A cascade's threshold is no calibrator of scores: test_cascade.py.
OTHERS = ("METHOD_UNSPECIFIED", "METHOD_AUTO", "METHOD_CASCADE")
ANY = [name for name in NAMES if name not in OTHERS]


@pytest.mark.parametrize("method", ANY)
def test_every_method_fits_scores_and_answers_with_what_came_of_it(
    fit, calls, service, question, task, method
):
    rng = np.random.default_rng(3)
    teacher = rng.normal(size=(60, 4))
    items = [
        pb.FitScore(logprobs=2 * row, teacher_logprobs=row, answer=rng.choice(4)) for row in teacher
    ]
    *_, event = fit(method=method, scores=pb.FitScores(items=items), activate=True, force=True)
    calibrator = event.calibrator
    assert pb.Method.Name(calibrator.method) == method
    assert calibrator.parameters
    assert (calibrator.provenance.items, calibrator.provenance.labelled) == (60, 60)
    assert calls.get(calibrator.name) == calibrator
    answer = service.score(question(), task=task)
    assert answer.calibrator == calibrator.name
    assert sum(each.calibrated_probability for each in answer.options) == pytest.approx(1)
    raw = [each.probability for each in answer.options]
    if calibrator.keeps_choice:
        assert answer.choice == np.argmax(raw)


def test_the_same_name_gives_the_same_calibrator_and_no_other_fit(fit, taught, refused, calls):
    first = fit(**taught, request_id="nightly")[-1]
    [again] = fit(**taught, request_id="nightly")
    assert again == first
    assert fit(**taught, request_id="nightly", validate_only=True) == [first]
    for changed in ({"activate": True}, {"task": "other"}):
        with refused(
            grpc.StatusCode.INVALID_ARGUMENT, field="request_id", reason="REQUEST_ID_REUSED"
        ):
            fit(**taught, request_id="nightly", **changed)


def test_a_name_is_remembered_by_the_next_service(start_service, fit, taught):
    first = fit(start_service(), **taught, request_id="nightly")[-1]
    assert fit(start_service(), **taught, request_id="nightly") == [first]


def test_a_dry_run_stores_nothing(fit, taught, task, calls):
    dry = fit(**taught, validate_only=True, activate=True)[-1].calibrator
    assert not calls.list(task=task).calibrators
    kept = fit(**taught)[-1].calibrator
    assert kept.name == dry.name
    assert not dry.active


def test_who_leaves_stops_the_engine_and_leaves_nothing(start_service, taught, fit, calls, task):
    class Slow(FakeEngine):
        """Never answers; tells when it was asked and when it was told to stop."""

        asked = threading.Event()
        stopped = threading.Event()

        async def score(self, prompts):
            self.asked.set()
            try:
                await asyncio.sleep(3600)
            finally:
                self.stopped.set()

    service = start_service(engines={"aligned": Slow(seed=7)})
    request = pb.FitCalibratorRequest(model="models/aligned", task=task, activate=True, **taught)
    call = service.calibration.FitCalibrator(request)
    assert Slow.asked.wait(60)
    call.cancel()
    assert Slow.stopped.wait(60)
    listing = pb.ListCalibratorsRequest(model="models/aligned")
    assert not service.calibration.ListCalibrators(listing).calibrators


class TestDegenerate:
    """A fit that the data do not determine is kept, and does not answer unless it is forced."""

    CERTAIN = pb.FitScores(items=[{"logprobs": [-0.1, -4.0], "answer": 0}] * 5)

    def fitted(self, fit, **fields):
        return fit(method=TEMPERATURE, scores=self.CERTAIN, **fields)[-1].calibrator

    def test_is_kept_and_not_activated(self, fit, calls):
        calibrator = self.fitted(fit, activate=True)
        assert "bounds" in calibrator.degenerate
        assert not calibrator.active
        assert calls.get(calibrator.name) == calibrator

    def test_is_refused_unless_forced(self, fit, calls, refused, service):
        name = self.fitted(fit).name
        with refused(FAILED_PRECONDITION, reason="DEGENERATE_FIT"):
            calls.activate(name)
        assert not calls.get(name).active
        request = pb.ActivateCalibratorRequest(name=name, force=True)
        assert service.calibration.ActivateCalibrator(request).calibrator.active
        assert calls.activate(name).active, "activating the active one changes nothing"

    def test_is_activated_by_a_fit_that_forces_it(self, fit):
        assert self.fitted(fit, activate=True, force=True).active

    def test_is_what_holds_no_information(self, fit):
        items = [{"logprobs": [-1.0, -1.0], "answer": number % 2} for number in range(6)]
        fields = {"method": TEMPERATURE, "scores": pb.FitScores(items=items), "activate": True}
        calibrator = fit(**fields)[-1].calibrator
        assert "no information" in calibrator.degenerate
        assert not calibrator.active

    def test_is_a_fallback(self, fit):
        items = [
            {"logprobs": [0.0, -1.0 - number / 9], "answer": int(number % 3 == 0)}
            for number in range(9)
        ]
        fields = {"method": pb.METHOD_ISOTONIC, "scores": pb.FitScores(items=items)}
        calibrator = fit(**fields, activate=True)[-1].calibrator
        assert calibrator.fallback
        assert calibrator.fallback in calibrator.degenerate
        assert not calibrator.active

    def test_is_not_what_the_data_determine(self, constant):
        calibrator = constant(activate=True)
        assert calibrator.degenerate == ""
        assert calibrator.active


class TestProbabilities:
    """Rows that are probabilities, given as scores: a temperature of them means nothing."""

    ROWS = ([0.9, 0.1], [0.25, 0.75], [0.67, 0.33], [1.0, 0.0], [0.5, 0.5], [0.333, 0.667])

    def items(self, rows=ROWS):
        return [pb.FitScore(logprobs=row, answer=place % 2) for place, row in enumerate(rows)]

    def test_are_refused(self, fit, refused, service, constant):
        reason = {"field": "scores.items[0].logprobs", "reason": "SCORES_ARE_PROBABILITIES"}
        scores = pb.FitScores(items=self.items())
        with refused(grpc.StatusCode.INVALID_ARGUMENT, **reason):
            fit(method=TEMPERATURE, scores=scores)
        request = pb.EvaluateCalibratorRequest(
            name=constant(options=2, method=pb.METHOD_CONSTANT).name, scores=scores
        )
        with refused(grpc.StatusCode.INVALID_ARGUMENT, **reason):
            list(service.calibration.EvaluateCalibrator(request))

    def test_of_a_teacher_are_refused(self, fit, refused):
        items = [{"logprobs": [-1.0, -2.0], "teacher_logprobs": row} for row in self.ROWS]
        with refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            field="scores.items[0].teacher_logprobs",
            reason="SCORES_ARE_PROBABILITIES",
        ):
            fit(method=TEACHER_KL, scores=pb.FitScores(items=items))

    def test_are_taken_if_that_is_meant(self, fit):
        scores = pb.FitScores(items=self.items(), allow_probabilities=True)
        assert fit(method=TEMPERATURE, scores=scores)[-1].calibrator.temperature

    def test_are_not_what_one_row_says_otherwise(self, fit):
        scores = pb.FitScores(items=self.items([*self.ROWS, [0.5, 0.8]]))
        assert fit(method=TEMPERATURE, scores=scores)[-1].calibrator.temperature


def test_a_fit_and_an_evaluation_take_more_than_a_batch_does(fit, service):
    rng = np.random.default_rng(0)
    items = [
        pb.FitScore(logprobs=row, answer=int(rng.integers(2))) for row in rng.normal(size=(3000, 2))
    ]
    scores = pb.FitScores(items=items)
    calibrator = fit(method=pb.METHOD_IDENTITY, scores=scores)[-1].calibrator
    assert calibrator.provenance.items == 3000
    request = pb.EvaluateCalibratorRequest(name=calibrator.name, scores=scores)
    *_, last = service.calibration.EvaluateCalibrator(request)
    assert last.report.items == 3000
