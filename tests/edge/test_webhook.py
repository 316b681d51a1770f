"""The webhook: what is posted, how it is verified, and what is taken for taken."""

import asyncio
import base64
import re
import secrets
import ssl
import time

import pytest
import trustme
from tests import pages

from trueodds_service.config import Webhook
from trueodds_service.edge import webhook as webhook_module
from trueodds_service.edge.webhook import WebhookClient, read_secret, signature
from trueodds_service.errors import ConfigError

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
IN_ENVIRONMENT = {"url": "https://a.example", "secret_env": "HOOK"}
BODY = '{"task": "ü"}'.encode()


def verified():
    """The function that the page gives to receivers."""
    names = {}
    exec(pages.beginning("import base64, hashlib").text, names)  # noqa: S102 (our own page)
    return names["verified"]


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return tmp_path / "secret"


@pytest.fixture
async def receiver():
    """Starts receivers that say ``answer``; requests is what they got: head and body."""
    servers, requests = [], []

    async def start(answer=b"HTTP/1.1 204 No Content\r\n\r\n", tls=None):
        async def receive(reader, writer):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(re.search(r"Content-Length: (\d+)", head)[1])
                requests.append((head, await reader.readexactly(length)))
                if answer is None:
                    await reader.read()
                writer.write(answer or b"")
                await writer.drain()
            except (OSError, EOFError):
                pass  # the other side has left
            finally:
                writer.close()

        server = await asyncio.start_server(receive, "localhost", 0, ssl=tls)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    start.requests = requests
    yield start
    for each in servers:
        each.close()


async def post(port, secret, scheme="http", path="/hook?to=us"):
    url = f"{scheme}://localhost:{port}{path}"
    client = WebhookClient(Webhook(url=url, secret_file=secret))
    return await client.post("b14e", BODY)


async def test_what_is_posted_is_verified_by_the_page_s_own_words(receiver, secret):
    port = await receiver()
    assert await post(port, secret) == ""
    [(head, body)] = receiver.requests
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) if "signature" not in line else line.split(": ", 1)
                   for line in lines)  # fmt: skip
    assert first == "POST /hook?to=us HTTP/1.1"
    assert headers["host"] == f"localhost:{port}"
    assert headers["content-type"] == "application/json"
    assert (body, headers["webhook-id"]) == (BODY, "b14e")
    check = verified()
    assert check(SECRET, headers, body)
    assert not check(SECRET, headers, body + b" ")
    assert not check(base64.b64encode(secrets.token_bytes(32)).decode(), headers, body)
    assert not check(SECRET, {**headers, "webhook-id": "b14f"}, body)
    assert not check(SECRET, {**headers, "webhook-timestamp": str(int(time.time()) - 900)}, body)


def test_a_signature_is_that_of_the_standard():
    """Of the example in the specification of Standard Webhooks."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signed = signature(key, message, 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 202 Accepted\r\n\r\n", ""),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "status 500"),
        (b"HTTP/1.1 410 Gone\r\n\r\n", "status 410"),
        (b"", "IncompleteReadError"),
        (b"220 mail.example ESMTP\r\n", "ValueError"),
        (b"HTTP/1.1 fine\r\n\r\n", "ValueError"),
        (b"x" * 200_000, "LimitOverrunError"),
    ],
)
async def test_2xx_is_taken_and_nothing_else(receiver, secret, answer, fault):
    assert await post(await receiver(answer), secret) == fault
    assert len(receiver.requests) == 1


async def test_a_redirect_is_not_followed(receiver, secret):
    there = await receiver()
    answer = f"HTTP/1.1 307 Moved\r\nLocation: http://localhost:{there}/\r\n\r\n".encode()
    assert await post(await receiver(answer), secret) == "status 307"
    assert len(receiver.requests) == 1


async def test_who_says_nothing_is_given_up(receiver, secret, monkeypatch):
    monkeypatch.setattr(webhook_module, "_POST_SECONDS", 0.2)
    assert await post(await receiver(None), secret) == "TimeoutError"


async def test_nobody_is_there(secret):
    assert await post(1, secret) == "ConnectionRefusedError"


async def test_a_receiver_has_to_show_a_certificate_that_is_trusted(
    receiver, secret, tmp_path, monkeypatch
):
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    port = await receiver(tls=tls)
    assert await post(port, secret, "https") == "SSLCertVerificationError"
    assert receiver.requests == []
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert await post(port, secret, "https") == ""


async def test_a_secret_is_read_again(receiver, secret):
    port = await receiver()
    client = WebhookClient(Webhook(url=f"http://localhost:{port}", secret_file=secret))
    other = base64.b64encode(secrets.token_bytes(32)).decode()
    secret.write_text(other)
    assert await client.post("b14e", BODY) == ""
    head, body = receiver.requests[0]
    headers = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    assert verified()(other, headers, body)
    secret.unlink()
    assert await client.post("b14e", BODY) == "its secret cannot be read"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("content", ["", "short", "whsec_c2hvcnQ=", "é" * 40, "no base64 at all!"])
def test_what_is_no_secret_is_refused_by_its_place(tmp_path, monkeypatch, content):
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ConfigError, match=r"alerts\.webhook\.secret_file: .*secret"):
        read_secret(Webhook(url="https://a.example", secret_file=tmp_path / "secret"))
    monkeypatch.setenv("HOOK", content)
    with pytest.raises(ConfigError, match=r"alerts\.webhook\.secret_env: HOOK"):
        read_secret(Webhook(**IN_ENVIRONMENT))


def test_a_secret_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    assert read_secret(Webhook(**IN_ENVIRONMENT)) == KEY
