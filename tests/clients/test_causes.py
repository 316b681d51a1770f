"""One class of error for each cause that a program treats differently."""

import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from trueodds import errors

CAUSES = {
    "MODEL_STARTING": (code_pb2.UNAVAILABLE, errors.Starting),
    "TOO_MANY_REQUESTS": (code_pb2.RESOURCE_EXHAUSTED, errors.Overloaded),
    "OVERLOADED": (code_pb2.RESOURCE_EXHAUSTED, errors.Overloaded),
    "ENGINE_LOST": (code_pb2.UNAVAILABLE, errors.EngineLost),
    "STORE_UNAVAILABLE": (code_pb2.UNAVAILABLE, errors.Unavailable),
    "STORE_FAULT": (code_pb2.FAILED_PRECONDITION, errors.FailedPrecondition),
    "MODEL_FAILED": (code_pb2.FAILED_PRECONDITION, errors.ModelFailed),
    "ENGINE_KILLED": (code_pb2.FAILED_PRECONDITION, errors.PromptFault),
    "ENGINE_FAULT": (code_pb2.FAILED_PRECONDITION, errors.PromptFault),
    "LOGITS_NAN": (code_pb2.FAILED_PRECONDITION, errors.PromptFault),
    "SCOPE_MISMATCH": (code_pb2.FAILED_PRECONDITION, errors.FailedPrecondition),
}


def status_of(code, reason):
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="trueodds"))
    return status_pb2.Status(code=code, message="so it is", details=[detail])


@pytest.mark.parametrize(("reason", "expected"), CAUSES.items(), ids=CAUSES)
def test_a_cause_has_its_class_and_its_reason(reason, expected):
    code, kind = expected
    error = errors.from_status(status_of(code, reason))
    assert type(error) is kind
    assert error.reason == reason


def test_a_reason_never_overrules_a_status():
    """Whether a request can succeed later is the status's to say."""
    error = errors.from_status(status_of(code_pb2.FAILED_PRECONDITION, "ENGINE_LOST"))
    assert type(error) is errors.FailedPrecondition
