"""What goes wrong before a decision is read, as the ``openai`` package raises it."""

import asyncio
import threading

import openai
import pytest

from trueodds_service.caller import Permission
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.store import SqlKeyStore

SPAM = {"type": "predicate", "instructions": "The message is spam."}
ASKED = {"model": "aligned", "input": "Where is my refund?", "questions": [SPAM]}


@pytest.fixture
def guarded(start_service, tmp_path):
    """A service that wants keys, with more settings; and a key that may score."""

    def guarded(**settings):
        service = start_service(access="keys", http="127.0.0.1:0", **settings)
        keys = SqlKeyStore(f"sqlite:///{tmp_path}/store.sqlite")
        _, key = keys.create("scorer", tenant="acme", permissions={Permission.SCORE})
        keys.close()
        service.run(service.app._identities._keys.refresh())
        return service, key

    return guarded


@pytest.fixture
def openai_client(service):
    """OpenAI's client of a service, with a key; of the shared one unless told."""
    made = []

    def openai_client(of=service, key="none"):
        client = openai.OpenAI(base_url=f"{of.url}/v1", api_key=key, max_retries=0, timeout=30)
        made.append(client)
        return client

    yield openai_client
    for client in made:
        client.close()


def check(caught, status, kind, reason, message):
    """What a program and a person are told: the first by ``code`` and ``type``."""
    error = caught.value
    assert (error.status_code, error.type, error.code) == (status, kind, reason)
    assert message in error.body["message"]
    assert message in str(error)


def test_a_key_that_is_none_and_one_that_may_not(guarded, openai_client):
    service, key = guarded()
    with pytest.raises(openai.AuthenticationError) as caught:
        openai_client(service, "wrong").decisions.create(**ASKED)
    check(caught, 401, "authentication_error", "UNAUTHENTICATED", "no key or certificate")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        openai_client(service, key).post("/decisions/calibrators", cast_to=object, body={})
    check(caught, 403, "permission_error", "FORBIDDEN", "this takes the permission fit")


def test_a_quota_that_is_spent(guarded, openai_client):
    client = openai_client(*guarded(quotas={"default": {"tenant": {"requests": 1}}}))
    client.decisions.create(**ASKED)
    with pytest.raises(openai.RateLimitError) as caught:
        client.decisions.create(**ASKED)
    check(caught, 429, "rate_limit_error", "QUOTA_EXCEEDED", "requests")
    assert int(caught.value.response.headers["retry-after-ms"]) > 0


class Held(FakeEngine):
    """Answers when it may."""

    def __init__(self):
        super().__init__()
        self.asked, self.may = threading.Event(), threading.Event()

    async def score(self, prompts, adapter=None):
        self.asked.set()
        await asyncio.to_thread(self.may.wait)
        return await super().score(prompts, adapter)


def test_no_room_and_no_time(start_service, openai_client):
    engine = Held()
    service = start_service(
        http="127.0.0.1:0", engines={"aligned": engine}, limits={"max_concurrent_requests": 1}
    )
    client = openai_client(service)
    with pytest.raises(openai.InternalServerError) as caught:
        client.decisions.create(**ASKED, extra_headers={"request-timeout": "0.05"})
    check(caught, 504, "server_error", "DEADLINE", "time was over")
    engine.asked.clear()
    first = threading.Thread(target=client.decisions.create, kwargs=ASKED)
    first.start()
    assert engine.asked.wait(30)
    with pytest.raises(openai.RateLimitError) as caught:
        client.decisions.create(**ASKED)
    check(caught, 429, "rate_limit_error", "TOO_MANY_REQUESTS", "try again")
    engine.may.set()
    first.join()


def test_a_model_that_is_not_there_yet(start_service, openai_client):
    client = openai_client(start_service(http="127.0.0.1:0", ready=False))
    with pytest.raises(openai.InternalServerError) as caught:
        client.decisions.create(**ASKED)
    check(caught, 503, "server_error", "MODEL_STARTING", "start")


def test_a_body_that_is_too_large(start_service, openai_client):
    client = openai_client(start_service(http="127.0.0.1:0", limits={"max_message_mib": 1}))
    with pytest.raises(openai.APIStatusError) as caught:
        client.decisions.create(**{**ASKED, "input": "a" * (2**20 + 1)})
    check(caught, 413, "invalid_request_error", "BODY_TOO_LARGE", "more than 1048576 bytes")


def create(**headers):
    return lambda client: client.decisions.create(
        **ASKED, extra_headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def post(path, **body):
    return lambda client: client.post(path, cast_to=object, **body)


@pytest.mark.parametrize(
    ("call", "status", "reason", "message"),
    [
        (post("/decisions", content=b'{"model":'), 400, "NO_JSON", "is not one object of JSON"),
        (create(request_timeout="soon"), 400, "INVALID_FIELD", "has to be seconds above 0"),
        (lambda client: client.get("/decisions", cast_to=object), 405, "NO_SUCH_METHOD", "POST"),
        (create(content_type="text/plain"), 415, "UNKNOWN_MEDIA_TYPE", "application/json"),
        (create(x_long="a" * 2**17), 431, "HEAD_TOO_LARGE", "larger than 64 KiB"),
    ],
    ids=["json", "deadline", "method", "media", "head"],
)
def test_a_request_that_cannot_be_read(openai_client, call, status, reason, message):
    with pytest.raises(openai.APIStatusError) as caught:
        call(openai_client())
    check(caught, status, "invalid_request_error", reason, message)


@pytest.mark.parametrize(
    "call", [lambda client: client.models.list(), post("/decisions/other", body={})]
)
def test_paths_where_nothing_is(openai_client, call):
    with pytest.raises(openai.NotFoundError) as caught:
        call(openai_client())
    check(caught, 404, "not_found_error", "NO_SUCH_PATH", "there is nothing at this path")
