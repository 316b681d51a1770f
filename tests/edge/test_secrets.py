"""Nothing that a caller sends is found in a log, however the request ends."""

import json
import logging

import grpc
import pytest
from tests.conftest import _serving

from trueodds.v1 import calibration_pb2, question_pb2, scoring_pb2
from trueodds_service.edge import logs
from trueodds_service.engine.fake import FakeEngine

SECRET = "xyzzy"  # noqa: S105 (stands for one)
SCORE = "/trueodds.v1.ScoringService/Score"
FIT = "/trueodds.v1.CalibrationService/FitCalibrator"


class Faulty(FakeEngine):
    """Fails with an error that holds the prompt, as errors of a library can."""

    async def score(self, prompts, adapter=None):
        raise ValueError(f"cannot read {SECRET}")


def secret(place):
    return f"{SECRET}-{place}"


def question(text=None, labels=("0", "1"), count=2):
    return question_pb2.Question(
        text=text or secret("text"),
        passage=secret("passage"),
        options=[
            question_pb2.Option(text=secret(f"option-{number}"), label=f"{SECRET}{label}")
            for number, label in zip(range(count), labels, strict=False)
        ],
    )


def score(question, **changes):
    shot = question_pb2.Shot(question=question_pb2.Question(), answer=0)
    shot.question.CopyFrom(question)
    given = {"model": "models/aligned", "task": secret("task"), "shots": [shot]}
    settings = scoring_pb2.ScoreSettings(**given | changes)
    return scoring_pb2.ScoreRequest(settings=settings, question=question).SerializeToString()


FIT_OF_NOTHING = calibration_pb2.FitCalibratorRequest(
    model="models/aligned",
    task=secret("task"),
    method=calibration_pb2.METHOD_TEMPERATURE,
    request_id=secret("fit"),
    questions=calibration_pb2.FitQuestions(),
).SerializeToString()

# The method, the bytes, and the code that they end with.
WAYS = {
    "answered": (SCORE, score(question()), "OK"),
    "no model": (SCORE, score(question(), model=f"models/{SECRET}"), "NOT_FOUND"),
    "no model's name": (SCORE, score(question(), model=secret("é")), "INVALID_ARGUMENT"),
    "no calibrator's name": (
        SCORE,
        score(question(), calibrator=f"models/aligned/calibrators/{SECRET}"),
        "INVALID_ARGUMENT",
    ),
    "not calibrated": (
        SCORE,
        score(question(), require_calibrated=True),
        "FAILED_PRECONDITION",
    ),
    "one option": (SCORE, score(question(count=1)), "INVALID_ARGUMENT"),
    "a label twice": (SCORE, score(question(labels=("0", "0"))), "INVALID_ARGUMENT"),
    "too long": (SCORE, score(question(f"{SECRET} " * 5000)), "INVALID_ARGUMENT"),
    "an engine's fault": (SCORE, score(question(), model="models/base"), "INTERNAL"),
    "no message": (SCORE, b"\xff" + SECRET.encode(), "INVALID_ARGUMENT"),
    "no method": (f"{SCORE}{SECRET}", score(question()), "UNIMPLEMENTED"),
    "a fit of nothing": (FIT, FIT_OF_NOTHING, "INVALID_ARGUMENT"),
}


@pytest.fixture(scope="module")
def ask(weights, run, tmp_path_factory):
    """Sends bytes with secrets beside them; the code that they end with."""
    store = tmp_path_factory.mktemp("store") / "s.sqlite"
    settings = {"engines": {"base": Faulty()}, "observability": {"log_requests": "all"}}
    metadata = [
        ("authorization", f"Bearer {secret('key')}"),
        ("x-request-id", f"{secret('id')} is no id"),
        ("x-own", secret("metadata")),
    ]
    with _serving(weights, run, store, **settings) as service:

        def ask(method, content):
            try:
                service.channel.unary_unary(method)(content, metadata=metadata)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        yield ask


@pytest.mark.parametrize("way", WAYS)
def test_no_log_holds_what_a_caller_sent(ask, way, caplog, capfd):
    method, content, code = WAYS[way]
    caplog.set_level(logging.DEBUG)
    assert ask(method, content) == code
    formatter = logs.JsonLines("gateway-1")
    written = [formatter.format(record) for record in caplog.records]
    lines = [json.loads(line) for line in written]
    requests = [line for line in lines if line["logger"] == "requests"]
    assert [line["status"] for line in requests] == ([] if way == "no method" else [code])
    assert [line for line in written if SECRET in line.lower()] == []
    assert SECRET not in "".join(capfd.readouterr()).lower()
