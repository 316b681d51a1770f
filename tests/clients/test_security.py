"""TLS, certificates and keys of both clients and the command, and what is said when they fail."""

import json
import traceback
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from tests.certificates import Files, chain, channel_credentials
from typer.testing import CliRunner

import trueodds
from trueodds import InvalidRequest, NoServer, TlsFailed
from trueodds._address import is_loopback
from trueodds.cli.main import app
from trueodds_service.edge.gate import Gate

TODAY = datetime.now(UTC)
KEY = "to_9f8e7d6c5b4a"


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture
def files(tmp_path, ca):
    """Those of a service, and of a client: its certificate, its key, and the CA it trusts."""
    folder = tmp_path / "service"
    folder.mkdir()
    return Files(folder).write(ca.issue_cert("localhost", "127.0.0.1"), ca)


@pytest.fixture
def mine(tmp_path, ca):
    own = Files(tmp_path).write(ca.issue_cert("scorer.example"), ca)
    return {"ca": own.client_ca, "cert": own.cert, "cert_key": own.key}


@pytest.fixture
def start_tls(start_service, ca, files):
    """Starts a service that shows the certificate of ``files``; its address."""

    def start(*, client_ca=False):
        known = channel_credentials(ca, ca.issue_cert("test.example") if client_ca else None)
        service = start_service(tls=files.settings(client_ca=client_ca), credentials=known)
        return service.app.address

    return start


@pytest.fixture
def arrivals(monkeypatch):
    """What came to the gate."""
    seen, admitted = [], Gate.admitted

    def watched(self, arrival):
        seen.append(arrival)
        return admitted(self, arrival)

    monkeypatch.setattr(Gate, "admitted", watched)
    return seen


@pytest.fixture
def command():
    return lambda *args: CliRunner().invoke(app, [str(each) for each in args])


def test_a_client_speaks_tls_and_shows_its_certificate(start_tls, connect, mine, ask, arrivals):
    client = connect(start_tls(client_ca=True), **mine)
    assert len(client.models()) == 2
    assert client.score(ask(), model="aligned").options
    assert len(client.score_batch([ask()] * 3, model="aligned")) == 3
    assert {each.certificate_names for each in arrivals} == {("scorer.example",)}


def test_a_key_travels_with_every_kind_of_call(start_tls, connect, mine, ask, arrivals):
    client = connect(start_tls(), ca=mine["ca"], api_key=KEY)
    client.models()
    client.score(ask(), model="aligned")
    assert len(list(client.score_stream([ask()] * 3, model="aligned"))) == 3
    client.fit(model="aligned", options=2, method=trueodds.Method.IDENTITY, validate_only=True)
    assert len({each.method for each in arrivals}) >= 4
    assert {each.metadata.get("authorization") for each in arrivals} == {f"Bearer {KEY}"}


def test_a_key_may_travel_in_the_clear_on_this_machine(service, connect, arrivals):
    connect(service.app.address, api_key=KEY).models()
    assert arrivals[-1].metadata["authorization"] == f"Bearer {KEY}"


def test_a_key_does_not_travel_in_the_clear_to_another(connect):
    with pytest.raises(InvalidRequest, match=r"in the clear to scores\.example:1") as caught:
        connect("scores.example:1", api_key=KEY)
    assert caught.value.field == "api_key"
    assert KEY not in "".join(traceback.format_exception(caught.value))
    connect("scores.example:1", api_key=KEY, plaintext_key=True)
    connect("scores.example:1", api_key=KEY, tls=True)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("unix:/run/trueodds", True),
        ("unix-box:50051", False),
        ("localhost:1", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_what_is_this_machine(address, here):
    assert is_loopback(address) is here


@pytest.fixture
def environment(monkeypatch, mine):
    for name, value in {
        "TRUEODDS_TLS": "true",
        "TRUEODDS_CA": mine["ca"],
        "TRUEODDS_CERT": mine["cert"],
        "TRUEODDS_CERT_KEY": mine["cert_key"],
        "TRUEODDS_API_KEY": KEY,
    }.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("environment")
def test_the_environment_tells_what_is_not_given(start_tls, connect, arrivals):
    connect(start_tls(client_ca=True)).models()
    assert arrivals[-1].certificate_names == ("scorer.example",)
    assert arrivals[-1].metadata["authorization"] == f"Bearer {KEY}"


@pytest.mark.usefixtures("environment")
def test_every_command_is_told_by_the_environment(start_tls, command):
    result = command("models", "--server", start_tls(client_ca=True))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("ready") == 2


def test_a_command_is_told_by_its_options(start_tls, command, mine, tmp_path, arrivals):
    (tmp_path / "key").write_text(f"{KEY}\n")
    options = [
        part for name, path in mine.items() for part in (f"--{name.replace('_', '-')}", path)
    ]
    address = start_tls(client_ca=True)
    question = ["score", "aligned", "-q", "Is tin a metal?", "-o", "yes", "-o", "no"]
    result = command(*question, "--server", address, *options, "--api-key-file", tmp_path / "key")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["choice"] in {0, 1}
    assert arrivals[-1].metadata["authorization"] == f"Bearer {KEY}"


MISUSED = {
    "two keys": (["--api-key", "a", "--api-key-file", "f"], "give --api-key or --api-key-file"),
    "a key that is not there": (["--api-key-file", "nowhere"], "nowhere cannot be read (No such"),
    "a CA that is not there": (["--ca", "nowhere"], "nowhere cannot be read (No such file"),
    "a certificate without its key": (["--tls", "--cert", "c"], "cert and cert_key go together"),
    "certificates and no TLS": (["--no-tls", "--ca", "c"], "c is for TLS, which is not wanted"),
    "a key with a line in it": (["--api-key", "a\nb"], "the API key holds characters"),
}


@pytest.mark.parametrize(("options", "said"), MISUSED.values(), ids=MISUSED)
def test_options_that_cannot_be_meant_are_told(command, options, said):
    result = command("models", "--server", "localhost:1", *options)
    assert result.exit_code
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_word_of_the_environment_that_says_neither_is_told(command, monkeypatch):
    monkeypatch.setenv("TRUEODDS_TLS", "perhaps")
    assert "TRUEODDS_TLS is 'perhaps'" in command("models").stderr


def test_files_that_hold_something_else_are_told_by_name(connect, mine, tmp_path):
    (tmp_path / "empty").write_text("")
    with pytest.raises(InvalidRequest, match="empty holds no PEM certificate"):
        connect("localhost:1", ca=tmp_path / "empty")
    with pytest.raises(InvalidRequest, match="are no PEM certificate and its key"):
        connect("localhost:1", cert=mine["cert"], cert_key=mine["cert"])


def failed(client):
    with pytest.raises(trueodds.TrueoddsError) as caught:
        client.models()
    return caught.value


def test_a_certificate_of_another_ca(start_tls, connect, tmp_path):
    (tmp_path / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
    error = failed(connect(start_tls(), ca=tmp_path / "other.pem", retries=0))
    assert (type(error), error.reason) == (TlsFailed, "UNTRUSTED_CERTIFICATE")
    assert "no CA that is trusted here; --ca" in str(error)


def test_a_certificate_of_the_authorities_of_the_world_is_not_this_one(start_tls, connect):
    assert failed(connect(start_tls(), tls=True, retries=0)).reason == "UNTRUSTED_CERTIFICATE"


def test_a_certificate_for_another_name(start_tls, connect, files, ca, mine):
    address = start_tls()
    files.write(ca.issue_cert("elsewhere.example"))
    error = failed(connect(address, ca=mine["ca"], retries=0))
    assert (type(error), error.reason) == (TlsFailed, "WRONG_NAME")


def test_a_certificate_that_has_expired(run, connect, ca, mine, expired):
    error = failed(connect(expired, ca=mine["ca"], retries=0))
    assert (type(error), error.reason) == (TlsFailed, "EXPIRED_CERTIFICATE")


@pytest.fixture
def expired(run, ca):
    """The address of a server of gRPC whose certificate was good until yesterday."""
    import grpc  # noqa: PLC0415

    own = ca.issue_cert("127.0.0.1", not_after=TODAY - timedelta(days=1))
    shown = grpc.ssl_server_credentials([(own.private_key_pem.bytes(), chain(own))])

    async def start():
        server = grpc.aio.server()
        port = server.add_secure_port("127.0.0.1:0", shown)
        await server.start()
        return server, port

    server, port = run(start())
    yield f"127.0.0.1:{port}"
    run(server.stop(0))


def test_a_server_without_tls(service, connect, mine):
    error = failed(connect(service.app.address, ca=mine["ca"], retries=0))
    assert (type(error), error.reason) == (TlsFailed, "NO_TLS")
    assert "speaks no TLS" in str(error)


def test_a_client_without_tls(start_tls, connect):
    error = failed(connect(start_tls(), retries=0))
    assert type(error) is NoServer
    assert "it may want TLS (--tls, TRUEODDS_TLS)" in str(error)


def test_a_client_without_a_certificate(start_tls, connect, mine):
    error = failed(connect(start_tls(client_ca=True), ca=mine["ca"], retries=0))
    assert "or a certificate of a CA that it knows (--cert and --cert-key)" in str(error)


def test_what_cannot_be_trusted_is_not_waited_for(start_tls, connect, ask, tmp_path):
    (tmp_path / "other.pem").write_bytes(trustme.CA().cert_pem.bytes())
    client = connect(start_tls(), ca=tmp_path / "other.pem", retries=0)
    with pytest.raises(TlsFailed):
        client.wait_until_ready(timeout=60)
    with pytest.raises(TlsFailed):
        list(client.score_stream([ask()], model="aligned"))


def test_a_client_that_is_shown_does_not_show_its_key(connect):
    client = connect("localhost:1", api_key=KEY)
    shown = repr(vars(getattr(client, "_client", client)))
    assert KEY not in shown
