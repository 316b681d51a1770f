"""Certificates for tests: CAs of their own, and the files that a service is given."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID


def chain(certificate: trustme.LeafCert) -> bytes:
    return b"".join(each.bytes() for each in certificate.cert_chain_pems)


def of_client(ca: trustme.CA, *uris: str) -> trustme.LeafCert:
    """A certificate for URIs, such as a SPIFFE id, which trustme does not make."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = load_pem_private_key(ca.private_key_pem.bytes(), None)
    names = [x509.UniformResourceIdentifier(each) for each in uris]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not asked for")]))
        .issuer_name(x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return trustme.LeafCert(private, certificate.public_bytes(Encoding.PEM), [])


def channel_credentials(
    ca: trustme.CA, own: trustme.LeafCert | None = None
) -> grpc.ChannelCredentials:
    """What a client trusts, and the certificate that it shows."""
    if own is None:
        return grpc.ssl_channel_credentials(ca.cert_pem.bytes())
    return grpc.ssl_channel_credentials(
        ca.cert_pem.bytes(), own.private_key_pem.bytes(), chain(own)
    )


def serial(certificate: trustme.LeafCert) -> int:
    """Its number, by which it is told from another."""
    pem = certificate.cert_chain_pems[0].bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


def shown(address: str, ca: trustme.CA, own: trustme.LeafCert | None = None) -> int:
    """The serial number of the certificate that a new connection of gRPC's sees; it trusts the CA,
    and shows one of its own where it has one.
    """
    context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    if own is not None:
        own.configure_cert(context)
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        certificate = connection.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


@dataclass
class Files:
    """The files that ``tls`` of a configuration names."""

    folder: Path

    @property
    def cert(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    @property
    def client_ca(self) -> Path:
        return self.folder / "ca.crt"

    def write(self, own: trustme.LeafCert, client_ca: trustme.CA | None = None) -> "Files":
        self.cert.write_bytes(chain(own))
        self.key.write_bytes(own.private_key_pem.bytes())
        if client_ca is not None:
            self.client_ca.write_bytes(client_ca.cert_pem.bytes())
        return self

    def settings(self, *, client_ca: bool = False) -> dict[str, str]:
        told = {"cert": str(self.cert), "key": str(self.key)}
        return {**told, "client_ca": str(self.client_ca)} if client_ca else told
