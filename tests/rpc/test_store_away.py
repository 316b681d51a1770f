"""While the database is away scoring goes on, and says so; writes fail, and nothing is lost."""

import threading
from contextlib import closing, suppress

import grpc
import pytest

from trueodds.v1 import calibration_pb2, model_pb2
from trueodds_service.flows import active_calibrators
from trueodds_service.store import SqlCalibratorStore

UNAVAILABLE, FAILED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION

# How it is away, and what a write is told.
AWAY = {
    "killed": (UNAVAILABLE, "STORE_UNAVAILABLE"),
    "paused": (UNAVAILABLE, "STORE_UNAVAILABLE"),
    "locked": (FAILED, "STORE_FAULT"),
}


@pytest.fixture
def quick(monkeypatch):
    """A silent database is given up, and what is held is old, in less than a test's time."""
    monkeypatch.setattr(active_calibrators, "_ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(active_calibrators, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(active_calibrators, "_POLL_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(active_calibrators, "_STALE_SECONDS", 0.5)


@pytest.fixture
def until():
    """Waits for what ``ask`` tells; the test's own time limit ends a wait in vain."""

    def until(ask):
        while not (told := ask()):
            threading.Event().wait(0.02)
        return told

    return until


def constant(service, temperature):
    """Fits and activates; the calibrator's name."""
    asked = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        method=calibration_pb2.METHOD_CONSTANT,
        temperature=temperature,
        options=4,
        activate=True,
        request_id=f"fit of {temperature}",
    )
    (*_, done) = service.calibration.FitCalibrator(asked)
    return done.calibrator.name


@pytest.mark.parametrize("how", AWAY)
def test_scoring_goes_on_and_it_recovers_by_itself(
    quick, until, start_service, postgres_server, question, refused, how
):
    url = postgres_server.emptied()
    service = start_service(store=url)

    def fit(temperature):
        return constant(service, temperature)

    def fit_if_it_answers(temperature):
        """On a busy machine, a database that is there may be given up; a fit may be repeated."""
        with suppress(grpc.RpcError):
            return fit(temperature)

    first = until(lambda: fit_if_it_answers(2.0))
    assert service.score(question()).calibrator == first
    assert not service.score(question()).calibration_stale
    with getattr(postgres_server, how)():
        stale = until(lambda: [a for a in [service.score(question())] if a.calibration_stale])
        assert stale[0].calibrator == first
        [model, _] = service.models.ListModels(model_pb2.ListModelsRequest()).models
        assert model.calibration_stale_seconds > 0.5
        code, reason = AWAY[how]
        for _ in range(2):
            with refused(code, reason=reason):
                fit(3.0)
        with refused(code, reason=reason):
            service.calibration.RollbackCalibrator(
                calibration_pb2.RollbackCalibratorRequest(name=first)
            )
        assert service.score(question()).calibrator == first
    until(lambda: not service.score(question()).calibration_stale)
    second = until(lambda: fit_if_it_answers(3.0))
    assert service.score(question()).calibrator == second
    # What was refused was not done, whatever was repeated was done once.
    with closing(SqlCalibratorStore(url)) as store:
        kept = store.list("aligned", page_size=9).calibrators
        assert [each.name for each in kept] == [second, first]
        told = [row.calibrator_id for row in store.history(kept[0].scope)]
        assert told == [first.rpartition("/")[2], second.rpartition("/")[2]]


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_it_starts_while_the_database_is_away_and_takes_it_up_by_itself(
    quick, until, start_service, postgres_server, question, refused, how
):
    url = postgres_server.emptied()
    with getattr(postgres_server, how)():
        service = start_service(store=url)
        answer = service.score(question())
        assert answer.calibration_stale
        assert answer.calibrator == ""
        assert "not known yet" in answer.raw_because
        for call in (
            lambda: service.score(question(), require_calibrated=True),
            lambda: constant(service, 2.0),
        ):
            with refused(UNAVAILABLE, reason="STORE_UNAVAILABLE"):
                call()
    until(lambda: not service.score(question()).calibration_stale)
    assert "not known" not in service.score(question()).raw_because
    name = until(lambda: constant(service, 2.0))
    assert service.score(question(), require_calibrated=True).calibrator == name
