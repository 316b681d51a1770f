"""Whether a question has the answer, or the error, that it is due."""

from collections.abc import Iterator
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from trueodds.v1 import scoring_pb2
from verification.fuzz.known import MARKER
from verification.fuzz.marked import Asked

_TELLTALE = MARKER[:10].encode()


def faults(asked: Asked, outcome: scoring_pb2.Outcome, twin: scoring_pb2.Outcome) -> Iterator[str]:
    if asked.mark is not None:
        wanted = f"FAILED_PRECONDITION, {asked.mark.reason}"
        if not outcome.HasField("error"):
            yield f"{asked.mark} is answered"
        elif words(outcome.error) != wanted:
            yield f"{asked.mark} is told {words(outcome.error)}, not {wanted}"
    elif not outcome.HasField("answer"):
        yield f"without a mark: {words(outcome.error)}"
    elif _compared(outcome.answer) != _compared(twin.answer):
        yield "another answer than its twin's"
    if outcome.HasField("error") and _TELLTALE in outcome.error.SerializeToString():
        yield "an error tells a prompt"


def _compared(answer: scoring_pb2.Answer) -> bytes:
    """All but what names the model, and whether the store answered: both answers are raw."""
    copy = scoring_pb2.Answer.FromString(answer.SerializeToString())
    copy.ClearField("identity")
    copy.ClearField("raw_because")
    copy.ClearField("calibration_stale")
    return copy.SerializeToString(deterministic=True)


def status_of(error: Any) -> status_pb2.Status:
    """That of a call that failed; one without details where the server told none."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    code: grpc.StatusCode = error.code()
    return status or status_pb2.Status(code=code.value[0])


def reason_of(status: status_pb2.Status) -> str:
    """The stable reason that a program sees; empty where there is none."""
    info = error_details_pb2.ErrorInfo()
    return info.reason if any(box.Unpack(info) for box in status.details) else ""


def words(status: status_pb2.Status | None) -> str:
    if status is None:
        return "OK"
    return f"{code_pb2.Code.Name(status.code)}, {reason_of(status)}"
