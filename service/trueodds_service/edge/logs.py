"""Logs: a line of JSON each, from every process of the service, with the id of its request.

What a line may hold is numbers, and names that the service or its operator has given: no prompt,
label, task or key, and of a foreign error its class and place only (``errors.class_and_place``).
"""

import json
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from logging.handlers import DatagramHandler
from pathlib import Path
from typing import Any

from trueodds_service import watching

_SERVICE = "trueodds_service"
REQUESTS = f"{_SERVICE}.requests"
"""The logger of the line that each request ends with; its fields are in ``extra``'s "fields"."""
_SOCKET = "logs"
_HANDLER = "trueodds"


class JsonLines(logging.Formatter):
    """A record as an object, which has ``fields`` beside its message where the record has some."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name.removeprefix(f"{_SERVICE}."),
            "message": record.getMessage(),
        }
        if request := watching.current().request_id:
            line["request_id"] = request
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        return json.dumps(line | dict(fields), ensure_ascii=False)


def write(process: str, folder: Path | None = None) -> None:
    """From now on what this process logs is written as JSON.

    To the process that collects at ``folder``, if one does, else to standard error.
    """
    handler: logging.Handler
    if folder is not None and (folder / _SOCKET).exists():
        handler = _ToCollector(str(folder / _SOCKET))
    else:
        handler = logging.StreamHandler(sys.__stderr__)
    handler.set_name(_HANDLER)
    handler.setFormatter(JsonLines(process))
    logger = logging.getLogger(_SERVICE)
    for before in [each for each in logger.handlers if each.get_name() == _HANDLER]:
        logger.removeHandler(before)
    logger.addHandler(handler)
    logging.getLogger(REQUESTS).setLevel(logging.INFO)


@contextmanager
def collected(folder: Path) -> Iterator[None]:
    """What processes ``write`` with this folder meanwhile, this one writes to standard error."""
    server = _Collector(str(folder / _SOCKET), _Print)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        (folder / _SOCKET).unlink(missing_ok=True)


class _Collector(socketserver.UnixDatagramServer):
    max_packet_size = 2**16


class _Print(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        with suppress(OSError, ValueError):  # nobody reads it any more
            sys.stderr.write(f"{self.rfile.read().decode(errors='replace')}\n")
            sys.stderr.flush()

    def finish(self) -> None:
        """Answers nothing."""


class _ToCollector(DatagramHandler):
    """Never waits: where the collector is behind or gone, lines are lost and requests are not."""

    def __init__(self, path: str) -> None:
        super().__init__(path, None)

    def makeSocket(self, timeout: float = 1) -> socket.socket:  # noqa: N802 (the base's name)
        made = super().makeSocket()
        made.setblocking(False)
        return made

    def makePickle(self, record: logging.LogRecord) -> bytes:  # noqa: N802 (the base's name)
        return self.format(record).encode()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base's name)
        pass
