"""TLS of the HTTP server, as httpx sees it."""

import ssl

import httpx
import pytest
import trustme
from tests.certificates import Files, channel_credentials, of_client

from trueodds_service.edge.gate import Gate

SCORE = "/trueodds.v1.ScoringService/Score"


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture
def files(tmp_path, ca):
    return Files(tmp_path).write(ca.issue_cert("localhost", "127.0.0.1"), ca)


def trusting(ca, own=None):
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if own is not None:
        own.configure_cert(context)
    return httpx.Client(verify=context)


def test_who_trusts_its_ca_is_answered_and_nobody_in_the_clear(start_service, files, ca):
    service = start_service(
        http="127.0.0.1:0", tls=files.settings(), credentials=channel_credentials(ca)
    )
    with trusting(ca) as client:
        assert client.get(f"https://{service.app.http_address}/healthz").text == "ok\n"
    with trusting(trustme.CA()) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://{service.app.http_address}/healthz")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{service.url}/healthz")


def test_the_gate_is_told_whom_the_certificate_names(start_service, files, ca, monkeypatch):
    arrivals, admitted = [], Gate.admitted

    def seen(self, arrival):
        arrivals.append(arrival)
        return admitted(self, arrival)

    monkeypatch.setattr(Gate, "admitted", seen)
    own = of_client(ca, "spiffe://example.org/scorer")
    service = start_service(
        http="127.0.0.1:0",
        tls=files.settings(client_ca=True),
        credentials=channel_credentials(ca, own),
    )
    with trusting(ca, own) as client:
        asked = client.post(
            f"https://{service.app.http_address}{SCORE}", json={}, headers={"x-of": "mine"}
        )
    assert asked.status_code == 400
    [arrival] = arrivals
    assert arrival.method == SCORE.removeprefix("/")
    assert arrival.certificate_names == ("spiffe://example.org/scorer",)
    assert arrival.metadata["x-of"] == "mine"
