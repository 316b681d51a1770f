"""The error tree survives processes, names its fields and is mapped whole."""

import pickle

import pytest
from google.rpc import code_pb2

from trueodds_service import errors
from trueodds_service.errors import (
    ConfigError,
    Exhausted,
    Expired,
    Forbidden,
    InvalidInput,
    ModelFault,
    NotFound,
    NotReady,
    Overloaded,
    PromptFault,
    ServiceError,
    StartError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from trueodds_service.rpc.status import to_status

ONE_OF_EACH = {
    InvalidInput: InvalidInput("options[0].label", "is missing", reason="LABEL"),
    TooLarge: TooLarge("has more than there may be", reason="REQUEST_TOO_LONG"),
    NotFound: NotFound("there is no such model", reason="MODEL_NOT_FOUND"),
    NotReady: NotReady("not in this state", reason="SCOPE_MISMATCH"),
    ModelFault: ModelFault("its tokenizer cannot be loaded"),
    PromptFault: PromptFault("the engine dies of it", reason="ENGINE_KILLED"),
    Unavailable: Unavailable("come back", reason="MODEL_STARTING", retry_seconds=2.5),
    Exhausted: Exhausted("less at once", reason="QUOTA", retry_seconds=0.5),
    Overloaded: Overloaded(5.0, 1.5),
    Unauthenticated: Unauthenticated("a key is needed"),
    Forbidden: Forbidden("the key lacks fit"),
    Expired: Expired("its deadline has passed"),
    ConfigError: ConfigError("serve.yaml: listen: is wrong"),
    StartError: StartError("the service did not come up"),
}

STATUSES = {
    InvalidInput: code_pb2.INVALID_ARGUMENT,
    TooLarge: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    NotReady: code_pb2.FAILED_PRECONDITION,
    ModelFault: code_pb2.FAILED_PRECONDITION,
    PromptFault: code_pb2.FAILED_PRECONDITION,
    Unavailable: code_pb2.UNAVAILABLE,
    Exhausted: code_pb2.RESOURCE_EXHAUSTED,
    Overloaded: code_pb2.RESOURCE_EXHAUSTED,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    Forbidden: code_pb2.PERMISSION_DENIED,
    Expired: code_pb2.DEADLINE_EXCEEDED,
}


def test_these_tests_know_every_error():
    kinds = {each for each in vars(errors).values() if isinstance(each, type)}
    assert {each for each in kinds if issubclass(each, ServiceError)} == {
        ServiceError,
        *ONE_OF_EACH,
    }
    assert {*STATUSES} == {*ONE_OF_EACH} - {ConfigError, StartError}, "these end the start"


@pytest.mark.parametrize("error", ONE_OF_EACH.values(), ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes_whole(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error) == error.message
    assert copy.args == error.args


@pytest.mark.parametrize("error", ONE_OF_EACH.values(), ids=lambda error: type(error).__name__)
def test_a_reason_is_a_name_for_programs(error):
    assert error.reason.replace("_", "").isalpha()
    assert error.reason.isupper()


def test_a_field_can_be_seen_from_outside():
    error = ONE_OF_EACH[InvalidInput].under("question").under("questions.items[3]")
    assert error.field == "questions.items[3].question.options[0].label"
    assert (error.message, error.reason) == ("is missing", "LABEL")


@pytest.mark.parametrize(("kind", "code"), STATUSES.items())
def test_every_error_has_its_status(details, kind, code):
    error = ONE_OF_EACH[kind]
    status = to_status(error)
    found = details(status)
    assert status.code == code
    assert error.message in status.message
    assert (found["reason"], found["domain"]) == (error.reason, "trueodds")
    assert found.get("field") == getattr(error, "field", None)
    assert found.get("delay") == getattr(error, "retry_seconds", None)
