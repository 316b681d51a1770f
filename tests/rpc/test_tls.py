"""TLS of the gRPC server, as clients of gRPC see it."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.certificates import channel_credentials, of_client, serial, shown

from trueodds.v1 import model_pb2, model_pb2_grpc
from trueodds_service.edge.gate import Gate


@pytest.fixture(scope="module")
def other_ca():
    return trustme.CA()


def models(address, credentials=None):
    """Those that the service at the address tells to who comes with these."""
    opened = (
        grpc.insecure_channel(address)
        if credentials is None
        else grpc.secure_channel(address, credentials)
    )
    with opened as channel:
        stub = model_pb2_grpc.ModelServiceStub(channel)
        return len(stub.ListModels(model_pb2.ListModelsRequest(), timeout=20).models)


def refused(address, credentials=None):
    with pytest.raises(grpc.RpcError) as caught:
        models(address, credentials)
    return caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_who_trusts_its_ca_is_answered_and_nobody_in_the_clear(start_service, files, ca, other_ca):
    service = start_service(tls=files.settings(), credentials=channel_credentials(ca))
    assert models(service.app.address, channel_credentials(ca)) == 2
    assert refused(service.app.address)
    assert refused(service.app.address, channel_credentials(other_ca))


def test_with_a_client_ca_each_client_needs_a_certificate_of_it(start_service, files, ca, other_ca):
    own = ca.issue_cert("scorer.example")
    mine = channel_credentials(ca, own)
    service = start_service(tls=files.settings(client_ca=True), credentials=mine)
    assert models(service.app.address, mine) == 2
    assert refused(service.app.address, channel_credentials(ca))
    assert refused(
        service.app.address, channel_credentials(ca, other_ca.issue_cert("scorer.example"))
    )


def test_a_client_s_certificate_that_has_expired_opens_nothing(start_service, files, ca):
    mine = channel_credentials(ca, ca.issue_cert("scorer.example"))
    service = start_service(tls=files.settings(client_ca=True), credentials=mine)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    late = ca.issue_cert("scorer.example", not_after=yesterday)
    assert refused(service.app.address, channel_credentials(ca, late))


def test_the_gate_is_told_whom_the_certificate_names(start_service, files, ca, monkeypatch):
    arrivals, admitted = [], Gate.admitted

    def seen(self, arrival):
        arrivals.append(arrival)
        return admitted(self, arrival)

    monkeypatch.setattr(Gate, "admitted", seen)
    own = of_client(ca, "spiffe://example.org/scorer")
    mine = channel_credentials(ca, own)
    service = start_service(tls=files.settings(client_ca=True), credentials=mine)
    models(service.app.address, mine)
    assert arrivals[-1].certificate_names == ("spiffe://example.org/scorer",)


def test_a_certificate_exchanged_under_load_fails_no_request(start_service, files, ca):
    credentials = channel_credentials(ca)
    service = start_service(tls=files.settings(), credentials=credentials)
    address = service.app.address
    exchanged, answered = threading.Event(), []

    def ask_over_one_connection():
        while not exchanged.is_set():
            answered.append(len(service.models.ListModels(model_pb2.ListModelsRequest()).models))

    def ask_over_new_connections():
        while not exchanged.is_set():
            answered.append(models(address, credentials))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_over_one_connection), pool.submit(ask_over_new_connections)]
        try:
            for _ in range(10):
                new = ca.issue_cert("localhost", "127.0.0.1")
                files.write(new)
                assert shown(address, ca) == serial(new)
        finally:
            exchanged.set()
        for each in asking:
            each.result(60)
    assert {*answered} == {2}


def test_a_broken_file_leaves_the_certificate_of_before(start_service, files, ca):
    service = start_service(tls=files.settings(), credentials=channel_credentials(ca))
    before = shown(service.app.address, ca)
    files.key.write_text("broken")
    assert shown(service.app.address, ca) == before
    assert models(service.app.address, channel_credentials(ca)) == 2


def test_a_client_ca_is_exchanged_too(start_service, files, ca, other_ca):
    known = channel_credentials(ca, ca.issue_cert("a.example"))
    later = channel_credentials(ca, other_ca.issue_cert("a.example"))
    service = start_service(tls=files.settings(client_ca=True), credentials=known)
    assert refused(service.app.address, later)
    files.client_ca.write_bytes(other_ca.cert_pem.bytes())
    assert models(service.app.address, later) == 2
    assert refused(service.app.address, known)


def test_health_answers_over_tls(start_service, files, ca):
    service = start_service(tls=files.settings(), credentials=channel_credentials(ca))
    with grpc.secure_channel(service.app.address, channel_credentials(ca)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_no_older_version_is_spoken(start_service, files, ca):
    service = start_service(tls=files.settings(), credentials=channel_credentials(ca))
    host, _, port = service.app.address.rpartition(":")
    context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname=host)
