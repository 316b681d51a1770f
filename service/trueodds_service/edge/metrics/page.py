"""The metrics of all processes of a node as one page."""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# A process that is stopped or at its limit is told as such, while the others' numbers are shown.
_ANSWER_SECONDS = 2.0
_AT_ONCE = 16
_UP = "trueodds_process_up"


class Pages:
    """Asks every process that has a socket with this ``suffix`` in ``folder``."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix

    def all(self) -> bytes:
        """The pages together, and which process has answered."""
        sockets = sorted(self._folder.glob(f"*{self._suffix}"))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = dict(zip(sockets, threads.map(_ask, sockets), strict=True))
        lines = [f"# HELP {_UP} 1 if the process told its metrics.", f"# TYPE {_UP} gauge"]
        pages = []
        for path, text in found.items():
            if text is None:  # it was killed: nobody else removes its socket
                path.unlink(missing_ok=True)
                continue
            process = path.name.removesuffix(self._suffix)
            lines.append(f'{_UP}{{process="{process}"}} {float(bool(text))}')
            pages.append(text)
        return together([*pages, "\n".join([*lines, ""]).encode()])


def _ask(path: Path) -> bytes | None:
    """A process's page: empty if it does not answer, None if it is gone."""
    parts = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        try:
            connection.connect(str(path))
            while part := connection.recv(2**16):
                parts.append(part)
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except OSError:
            return b""
    return b"".join(parts)


def together(pages: Sequence[bytes]) -> bytes:
    """Pages in Prometheus's text format as one, in which each metric stands once."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for page in pages:
        name = ""
        for line in page.decode().splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                if name not in heads:
                    heads[name], samples[name] = [], []
            if not line.startswith("#"):
                samples[name].append(line)
            elif len(heads[name]) < 2:  # noqa: PLR2004 (HELP and TYPE)
                heads[name].append(line)
    lines = [line for name in heads for line in (*heads[name], *samples[name])]
    return "\n".join([*lines, ""]).encode()
