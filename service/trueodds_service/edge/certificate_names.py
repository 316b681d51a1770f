"""Who a client's certificate says that its owner is."""

from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID


@lru_cache(maxsize=4096)
def certificate_names(pem: bytes) -> tuple[str, ...]:
    """The URIs, SPIFFE ids among them, and DNS names that a certificate is for, in that order; its
    common name only where it has neither. The handshake has accepted the certificate.

    Nothing where it cannot be parsed: whoever asks is then nobody.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = _alternative(certificate)
        return names or tuple(
            str(each.value)
            for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()


def _alternative(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return (
        *extension.value.get_values_for_type(x509.UniformResourceIdentifier),
        *extension.value.get_values_for_type(x509.DNSName),
    )
