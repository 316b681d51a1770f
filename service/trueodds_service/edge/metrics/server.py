"""The port that Prometheus asks. Any gateway of a node answers for all of its processes."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import ThreadingWSGIServer

from trueodds_service.config import is_loopback
from trueodds_service.edge.hosts import is_this_machine

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class MetricsServer:
    """Answers GET /metrics over HTTP, in threads of its own."""

    def __init__(self, address: str, text: Callable[[], bytes]) -> None:
        """``address`` is HOST:PORT, which the gateways of a node share. Raises OSError.

        At a loopback address it answers no page whose name was made to lead here.
        """
        host, _, port = address.rpartition(":")
        self._text = text
        self._is_loopback = is_loopback(address)
        self._server = _Server(host.strip("[]"), int(port))
        self._server.set_app(self._answer)
        self.address = f"{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        host = asked.get("HTTP_HOST")
        if self._is_loopback and host is not None and not is_this_machine(host):
            respond("403 Forbidden", [("Content-Type", "text/plain")])
            return [
                b"Host: names another machine than this one; a proxy has to set it to localhost\n"
            ]
        if asked.get("PATH_INFO") != "/metrics":
            respond("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there is /metrics\n"]
        respond("200 OK", [("Content-Type", CONTENT_TYPE)])
        return [self._text()]


class _Server(ThreadingWSGIServer):
    allow_reuse_port = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Silent)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        # As the base has it, but that a name server may take its time.
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Silent(WSGIRequestHandler):
    timeout = 10  # who asks and then says nothing

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass
