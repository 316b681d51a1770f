"""Files of certificates: what is refused, and what becomes of one that changes."""

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from tests.certificates import of_client, serial

from trueodds_service.config import Tls
from trueodds_service.edge.certificate_names import certificate_names
from trueodds_service.edge.tls import Certificates
from trueodds_service.errors import ConfigError

TODAY = datetime.now(UTC)


def settings(files, *, client_ca=True):
    return Tls.model_validate(files.settings(client_ca=client_ca))


def locked(key):
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )


WRONG = {
    "no certificate": (lambda files, ca: files.cert.unlink(), "tls.cert: .*No such file"),
    "no key": (lambda files, ca: files.key.unlink(), "tls.key: .*No such file"),
    "no CA": (lambda files, ca: files.client_ca.unlink(), "tls.client_ca: .*No such file"),
    "no PEM": (lambda files, ca: files.cert.write_text("cert"), "tls.cert: .* holds no PEM"),
    "an empty CA": (lambda files, ca: files.client_ca.write_text(""), "tls.client_ca: .* holds no"),
    "certificate and key exchanged": (
        lambda files, ca: files.key.write_bytes(files.cert.read_bytes()),
        "tls.key: .* holds no PEM key without a passphrase",
    ),
    "a key with a passphrase": (
        lambda files, ca: files.key.write_bytes(locked(files.key.read_bytes())),
        "tls.key: .* holds no PEM key without a passphrase",
    ),
    "another's key": (
        lambda files, ca: files.key.write_bytes(
            ca.issue_cert("other.example").private_key_pem.bytes()
        ),
        "tls.key: .* is not the key of ",
    ),
    "expired": (
        lambda files, ca: files.write(
            ca.issue_cert("localhost", not_after=TODAY - timedelta(days=1))
        ),
        "tls.cert: .* has expired",
    ),
    "not yet valid": (
        lambda files, ca: files.write(
            ca.issue_cert("localhost", not_before=TODAY + timedelta(days=1))
        ),
        "tls.cert: .* is not valid before",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG)
def test_files_that_cannot_be_used_are_refused_by_name(files, ca, spoil, said):
    spoil(files, ca)
    with pytest.raises(ConfigError, match=said) as caught:
        Certificates(settings(files))
    assert "PRIVATE" not in caught.value.message


@pytest.mark.parametrize("spoil", [each for each, _ in WRONG.values()], ids=WRONG)
def test_a_new_file_that_cannot_be_used_leaves_the_old_one(files, ca, own, spoil, caplog):
    certificates = Certificates(settings(files))
    before = certificates.pem()
    spoil(files, ca)
    with caplog.at_level(logging.ERROR):
        assert certificates.pem() == before
        assert certificates.pem() == before
    assert len(caplog.records) == 1, "it is told, and told once"
    new = ca.issue_cert("localhost")
    files.write(new, ca)
    assert certificates.pem().key == new.private_key_pem.bytes(), "a right one is taken after all"


def test_how_long_each_is_valid_still(files, ca):
    files.write(ca.issue_cert("localhost", not_after=TODAY + timedelta(days=3)), ca)
    left = Certificates(settings(files)).seconds_left()
    assert 2 * 86400 < left["cert"] < 4 * 86400
    assert left["client_ca"] > left["cert"]
    assert Certificates(settings(files, client_ca=False)).seconds_left().keys() == {"cert"}


def test_one_that_is_still_the_same_is_no_new_one(files, own, ca):
    certificates = Certificates(settings(files))
    before = certificates.pem()
    files.write(own, ca)
    assert certificates.pem() == before


SPIFFE = "spiffe://example.org/scorer"
NAMES = {
    "a SPIFFE id": (lambda ca: of_client(ca, SPIFFE), (SPIFFE,)),
    "a name of DNS": (lambda ca: ca.issue_cert("scorer.example"), ("scorer.example",)),
    "the common name, where there is no other": (
        lambda ca: ca.issue_cert(common_name="scorer"),
        ("scorer",),
    ),
    "not the common name, where there is another": (
        lambda ca: ca.issue_cert("scorer.example", common_name="admin"),
        ("scorer.example",),
    ),
}


@pytest.mark.parametrize(("issue", "names"), NAMES.values(), ids=NAMES)
def test_whom_a_certificate_names(ca, issue, names):
    assert certificate_names(issue(ca).cert_chain_pems[0].bytes()) == names


def test_a_name_of_a_kind_that_nobody_reads_names_nobody(ca):
    """X.400's address, which stands in the way of the others beside it."""
    odd = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex("3002a300"))
    key = load_pem_private_key(ca.private_key_pem.bytes(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scorer")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, TODAY, TODAY + timedelta(days=1))
        .add_extension(odd, critical=False)
        .sign(key, SHA256())
    )
    assert certificate_names(certificate.public_bytes(Encoding.PEM)) == ()


def test_what_is_no_certificate_names_nobody():
    assert certificate_names(b"-----BEGIN CERTIFICATE-----\n") == ()


class Ssl:
    """A server of Python's own TLS, as that of HTTP is, and who connects to it."""

    @pytest.fixture
    async def port(self, files):
        async with self.serving(Certificates(settings(files, client_ca=False))) as port:
            yield port

    @asynccontextmanager
    async def serving(self, certificates):
        """Its port: it answers with one byte, and hangs up."""

        async def answer(_reader, writer):
            with suppress(OSError):
                await writer.start_tls(certificates.context())
                writer.write(b"!")
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    @staticmethod
    async def shown(port, ca, name, own=None):
        """The serial number of what the server shows to who trusts that CA."""
        context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
        if own is not None:
            own.configure_cert(context)
        reader, writer = await asyncio.open_connection(name, port, ssl=context)
        certificate = writer.get_extra_info("peercert")
        await reader.read()
        writer.close()
        return int(certificate["serialNumber"], 16)


class TestSsl(Ssl):
    # By a number a client asks without naming the server, which is another way through OpenSSL.
    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
    async def test_new_files_are_shown_to_new_connections(self, port, files, ca, own, name):
        assert await self.shown(port, ca, name) == serial(own)
        new = ca.issue_cert("localhost", "127.0.0.1")
        files.write(new)
        assert await self.shown(port, ca, name) == serial(new)
        files.key.write_text("broken")
        assert await self.shown(port, ca, name) == serial(new)

    async def test_files_that_were_refused_are_not_shown(self, files, ca, own):
        """They can be loaded: each connection would show them."""
        mine = ca.issue_cert("me.example")
        async with self.serving(Certificates(settings(files))) as port:
            assert await self.shown(port, ca, "localhost", mine) == serial(own)
            files.write(ca.issue_cert("localhost", not_after=TODAY - timedelta(days=1)))
            assert await self.shown(port, ca, "localhost", mine) == serial(own)

    async def test_a_client_needs_a_certificate_of_the_ca_of_today(self, files, ca):
        other = trustme.CA()
        async with self.serving(Certificates(settings(files))) as port:

            async def answered(own):
                context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
                if own is not None:
                    own.configure_cert(context)
                try:
                    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
                    got = await reader.read()
                    writer.close()
                except (ssl.SSLError, ConnectionError):
                    return False
                return got == b"!"

            known, unknown = ca.issue_cert("me.example"), other.issue_cert("me.example")
            assert [await answered(each) for each in (None, known, unknown)] == [False, True, False]
            files.client_ca.write_bytes(other.cert_pem.bytes())
            assert [await answered(each) for each in (known, unknown)] == [False, True]
