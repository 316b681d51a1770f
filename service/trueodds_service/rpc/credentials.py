"""TLS of the gRPC server: what it shows, and what its clients have shown."""

from typing import Any

import grpc

from trueodds_service.edge.certificate_names import certificate_names
from trueodds_service.edge.tls import Certificates, Pem
from trueodds_service.rpc.status import Context


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Each new connection gets the certificate that the files hold then.

    With a CA for clients every client has to show a certificate of it: gRPC for Python knows no
    server that takes some with and some without.
    """
    shown = certificates.pem()

    def changed() -> Any:
        # None is "as before", which the stubs of types do not know: sessions may be resumed then.
        nonlocal shown
        pem = certificates.pem()
        if pem is shown and certificates.resumable:
            return None
        shown = pem
        return _configuration(pem)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown), changed, shown.client_ca is not None
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], pem.client_ca)


def names_of_client(context: Context) -> tuple[str, ...]:
    """Those of the certificate that the client's connection was opened with; none without."""
    shown = [*context.auth_context().get("x509_pem_cert", ())]
    return certificate_names(shown[0]) if shown else ()
