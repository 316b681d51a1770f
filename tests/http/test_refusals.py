"""What is wrong with a request is told in HTTP's codes, as a google.rpc.Status."""

import asyncio
import inspect
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from google.protobuf import json_format
from google.rpc import code_pb2

from trueodds.v1 import scoring_pb2
from trueodds_service import errors
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.http.refusals import code
from trueodds_service.rpc.status import to_status

SCORE = "/trueodds.v1.ScoringService/Score"
JSON = {"content-type": "application/json"}

# google/rpc/code.proto, "HTTP Mapping".
MAPPING = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def reason(response):
    [info] = [each for each in response.json()["details"] if each["@type"].endswith("ErrorInfo")]
    return info["reason"]


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ServiceError)
    ],
)
def test_every_error_has_the_code_that_its_grpc_code_maps_to(kind):
    error = kind.__new__(kind)
    error.__dict__.update(message="m", reason="R", field="f", retry_seconds=1.0)
    assert code(error) == MAPPING[code_pb2.Code.Name(to_status(error).code)]


def test_a_name_that_is_there_twice_is_named(http):
    body = '{"question": {"options": [{"text": "a"}, {"text": "b", "text": "c"}]}}'
    refused = http.post(SCORE, content=body, headers=JSON)
    assert refused.status_code == 400
    assert refused.json()["message"] == "question.options[1].text: is here twice"


def test_a_wrong_field_is_named(http):
    asked = {"settings": {"model": "models/aligned"}, "question": {"text": "Which?"}}
    response = http.post(SCORE, json=asked)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    status = response.json()
    assert status["code"] == code_pb2.INVALID_ARGUMENT
    assert status["message"] == "question.options: has 0 options; from 2 to 128"
    assert reason(response) == "INVALID_FIELD"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: is not one object of JSON in UTF-8"),
        (b"[1]", "body: is not one object of JSON in UTF-8"),
        (b"[]", "body: is not one object of JSON in UTF-8"),
        (b"null", "body: is not one object of JSON in UTF-8"),
        (b"\xff", "body: is not one object of JSON in UTF-8"),
        (b"[" * 100_000, "body: is not one object of JSON in UTF-8"),
        (b'{"question": {}, "question": {}}', "question: is here twice"),
        (b'{"question": {"text": "", "text": ""}, []', "body: is not one object of JSON in UTF-8"),
        (b'{"question": {"secret": 1}}', "question.secret: is no field of this message"),
        (
            b'{"settings": {"reading": {"format": "secret"}}}',
            "settings.reading.format: has to be one of FORMAT_LETTER, FORMAT_PAREN, FORMAT_TEXT, "
            "FORMAT_CUSTOM, FORMAT_PAREN_OPTIONS",
        ),
        (b'{"question": {"text": "\\ud800"}}', "question.text: has half a character"),
        (b'{"a secret": 1}', "body: has a name that is no field of this message"),
    ],
)
def test_what_is_no_message_is_told_without_its_words(http, body, message):
    response = http.post(SCORE, content=body, headers=JSON)
    assert (response.status_code, response.json()["message"]) == (400, message)


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {}])
def test_what_does_not_say_that_it_is_json_is_refused(http, headers):
    response = http.post(SCORE, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert response.json()["message"] == "content-type: has to be application/json"


def test_a_packed_body_is_refused(http):
    response = http.post(SCORE, content=b"x", headers={**JSON, "content-encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(start_service, chunked):
    service = start_service(http="127.0.0.1:0", limits={"max_message_mib": 1})
    body = b" " * (2**20 + 1)
    content = iter([body[:500_000], body[500_000:]]) if chunked else body
    response = httpx.post(f"{service.url}{SCORE}", content=content, headers=JSON)
    assert response.status_code == 413
    assert reason(response) == "BODY_TOO_LARGE"


def test_a_model_that_is_not_there_yet_says_when_to_ask_again(start_service):
    service = start_service(http="127.0.0.1:0", ready=False)
    asked = {
        "settings": {"model": "models/aligned"},
        "question": {"text": "Which?", "options": [{"text": "a"}, {"text": "b"}]},
    }
    response = httpx.post(f"{service.url}{SCORE}", json=asked)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    ready = httpx.get(f"{service.url}/readyz")
    assert (ready.status_code, ready.json()["models"]["base"]) == (503, "STARTING")
    assert httpx.get(f"{service.url}/healthz").status_code == 200


def test_a_service_is_ready_when_its_models_are(http):
    assert http.get("/readyz").json() == {
        "ready": True,
        "models": {"aligned": "READY", "base": "READY"},
    }


def test_paths_and_methods_that_are_none(http):
    assert http.get("/nothing").status_code == 404
    assert http.get("/nothing").json()["message"] == "there is nothing at this path"
    response = http.get(SCORE)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


ASKED = {
    "settings": {"model": "models/aligned"},
    "question": {"text": "Which?", "options": [{"text": "a"}, {"text": "b"}]},
}


class Held(FakeEngine):
    """Answers nothing; tells when it is asked and when what was asked is taken back."""

    def __init__(self):
        super().__init__()
        self.asked, self.left = threading.Event(), threading.Event()

    async def score(self, prompts, adapter=None):
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


@pytest.fixture
def held(start_service):
    engine = Held()
    return engine, start_service(http="127.0.0.1:0", engines={"aligned": engine})


@pytest.mark.parametrize("name", ["request-timeout", "x-request-timeout"])
def test_a_deadline_that_passes_is_told(held, name):
    engine, service = held
    response = httpx.post(f"{service.url}{SCORE}", json=ASKED, headers={name: "0.05"}, timeout=30)
    assert (response.status_code, reason(response)) == (504, "DEADLINE")
    assert engine.left.wait(10)


@pytest.mark.parametrize("said", ["soon", "0", "-1", "inf", "nan", ""])
def test_a_deadline_that_is_none_is_refused(http, said):
    response = http.post(SCORE, json=ASKED, headers={"request-timeout": said})
    assert response.status_code == 400
    assert response.json()["message"] == "request-timeout: has to be seconds above 0, such as 2.5"


@pytest.mark.parametrize("behind", [b"", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"])
def test_what_a_caller_asked_who_left_is_not_worked_on(held, behind):
    """Also where he has sent another request behind it."""
    engine, service = held
    host, port = service.app.http_address.split(":")
    body = json.dumps(ASKED).encode()
    head = f"POST {SCORE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body + behind)
        assert engine.asked.wait(10)
        assert not engine.left.is_set()
    assert engine.left.wait(10)


def test_what_outlasts_a_stop_is_told_to_ask_again(held, run):
    engine, service = held
    with ThreadPoolExecutor() as threads:
        asking = threads.submit(httpx.post, f"{service.url}{SCORE}", json=ASKED, timeout=30)
        assert engine.asked.wait(10)
        run(service.app.stop(0))
        response = asking.result()
    assert (response.status_code, reason(response)) == (503, "STOPPING")
    assert response.headers["retry-after-ms"] == "200"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/healthz")


def test_both_doors_share_the_room_at_the_gate(start_service):
    engine = Held()
    service = start_service(
        http="127.0.0.1:0", engines={"aligned": engine}, limits={"max_concurrent_requests": 1}
    )
    request = json_format.ParseDict(ASKED, scoring_pb2.ScoreRequest())
    call = service.scoring.Score.future(request)
    assert engine.asked.wait(10)
    response = httpx.post(f"{service.url}{SCORE}", json=ASKED)
    assert (response.status_code, reason(response)) == (429, "TOO_MANY_REQUESTS")
    call.cancel()
