"""A TLS session that a client goes on with shows no certificate: none outlasts what it began with.

At both doors, by a client of Python's own TLS, which keeps sessions where it is told to.
"""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from tests.certificates import channel_credentials

# What a server of HTTP/2 answers at once is its settings, to a client that has sent its own.
ASKED = {
    "grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "http": b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=[*ASKED])
def door(request):
    return request.param


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def client(request, start_service, files, ca, door):
    """Makes clients of a service that asks for certificates."""
    service = start_service(
        http="127.0.0.1:0",
        tls=files.settings(client_ca=True),
        credentials=channel_credentials(ca, ca.issue_cert("a.example")),
    )
    app = service.app
    address = app.address if door == "grpc" else app.http_address
    return lambda own: Client(address, door, ca, own, request.param)


class Client:
    def __init__(self, address, door, ca, own, version):
        self._address, self._asked = address, ASKED[door]
        self._context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
        self._context.maximum_version = version
        self._context.set_alpn_protocols(["h2" if door == "grpc" else "http/1.1"])
        own.configure_cert(self._context)
        self.session = None

    def is_answered(self):
        """On a new connection, which goes on with the session of the one before."""
        host, _, port = self._address.rpartition(":")
        plain = socket.create_connection((host, int(port)), timeout=20)
        try:
            with self._context.wrap_socket(
                plain, server_hostname=host, session=self.session
            ) as connection:
                connection.sendall(self._asked)
                answered = bool(connection.recv(65536))
                self.session = connection.session
        except OSError:
            return False
        return answered


def test_nor_a_ca_that_was_taken_back(client, files, ca):
    known = client(ca.issue_cert("a.example"))
    assert known.is_answered()
    assert known.is_answered(), "it may try, and shows its certificate again"
    files.client_ca.write_bytes(trustme.CA().cert_pem.bytes())
    assert not known.is_answered()


def test_nor_a_certificate_that_has_expired_since(client, ca):
    ends = datetime.now(UTC) + timedelta(seconds=3)
    known = client(ca.issue_cert("a.example", not_after=ends))
    assert known.is_answered()
    time.sleep((ends - datetime.now(UTC)).total_seconds() + 1.5)
    assert not known.is_answered()


def test_a_ca_below_another_is_trusted_by_itself(client, files, ca):
    below = ca.create_child_ca()
    files.client_ca.write_bytes(below.cert_pem.bytes())
    assert client(below.issue_cert("a.example")).is_answered()
    assert not client(ca.issue_cert("a.example")).is_answered()
