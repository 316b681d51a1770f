"""One class of error for each cause that a program treats differently."""

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from trueodds import errors
from trueodds_service.errors import InvalidInput, NotReady, PromptFault, TooLarge
from trueodds_service.http.refusals import code
from trueodds_service.rpc.status import to_status

CAUSES = {
    "MODEL_STARTING": (code_pb2.UNAVAILABLE, errors.Starting),
    "TOO_MANY_REQUESTS": (code_pb2.RESOURCE_EXHAUSTED, errors.Overloaded),
    "TOO_MANY_TOKENS": (code_pb2.RESOURCE_EXHAUSTED, errors.Overloaded),
    "TOO_MANY_BYTES": (code_pb2.RESOURCE_EXHAUSTED, errors.Overloaded),
    "QUOTA_EXCEEDED": (code_pb2.RESOURCE_EXHAUSTED, errors.Unavailable),
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


def status_of(code, reason, *others):
    details = []
    for each in (error_details_pb2.ErrorInfo(reason=reason, domain="trueodds"), *others):
        details.append(any_pb2.Any())
        details[-1].Pack(each)
    return status_pb2.Status(code=code, message="so it is", details=details)


@pytest.mark.parametrize(("reason", "expected"), CAUSES.items(), ids=CAUSES)
def test_a_cause_has_its_class_and_its_reason(reason, expected):
    code, kind = expected
    error = errors.from_status(status_of(code, reason))
    assert type(error) is kind
    assert error.reason == reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [(code_pb2.DEADLINE_EXCEEDED, "DEADLINE"), (code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")],
)
def test_where_grpc_has_ended_a_call_too_its_word_counts(code, reason):
    """A deadline passes at both ends: the server's status may come with gRPC's own."""

    class Call(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.DEADLINE_EXCEEDED

        def details(self):
            return "Stream removed (Deadline Exceeded)"

        def trailing_metadata(self):
            return (("grpc-status-details-bin", status_of(code, reason).SerializeToString()),)

    error = errors.from_rpc(Call(), "127.0.0.1:50051")
    assert type(error) is errors.DeadlineExceeded
    assert "did not answer in time" in str(error)


def test_a_reason_never_overrules_a_status():
    """Whether a request can succeed later is the status's to say."""
    error = errors.from_status(status_of(code_pb2.FAILED_PRECONDITION, "ENGINE_LOST"))
    assert type(error) is errors.FailedPrecondition


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (code_pb2.NOT_FOUND, "so it is"),
        (code_pb2.INTERNAL, "so it is (request 5d0c)"),
    ],
)
def test_an_error_tells_by_which_id_the_server_s_log_has_the_request(code, text):
    """In its text where somebody else has to look for the cause."""
    told = error_details_pb2.RequestInfo(request_id="5d0c")
    error = errors.from_status(status_of(code, "WHY", told))
    assert error.request_id == errors.counted_from(error, 3).request_id == "5d0c"
    assert str(error) == text


@pytest.mark.parametrize(("told", "expected"), [((), None), ((20, 500_000_000), 20.5)])
def test_an_error_tells_when_to_come_back_where_the_server_says_so(told, expected):
    details = []
    if told:
        seconds, nanos = told
        delay = {"seconds": seconds, "nanos": nanos}
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    error = errors.from_status(status_of(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", *details))
    assert error.retry_seconds == expected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TooLarge("has too much", reason="REQUEST_TOO_LONG"), errors.InvalidRequest),
        (InvalidInput("body", "is too large", reason="BODY_TOO_LARGE"), errors.InvalidRequest),
        (InvalidInput("head", "is too large", reason="HEAD_TOO_LARGE"), errors.InvalidRequest),
        (InvalidInput("method", "has to be POST", reason="NO_SUCH_METHOD"), errors.InvalidRequest),
        (InvalidInput("input", "is missing"), errors.InvalidRequest),
        (NotReady("not now", reason="SCOPE_MISMATCH"), errors.FailedPrecondition),
        (PromptFault("it dies of it", reason="ENGINE_KILLED"), errors.PromptFault),
    ],
    ids=lambda value: getattr(value, "reason", ""),
)
def test_an_error_has_one_class_over_grpc_and_over_http(error, kind):
    told = {"message": error.message, "code": error.reason, "param": getattr(error, "field", None)}
    over_http = errors.from_http(code(error), told)
    over_grpc = errors.from_status(to_status(error))
    assert (type(over_http), over_http.reason) == (kind, error.reason)
    assert (type(over_grpc), over_grpc.reason) == (kind, error.reason)
