"""What the Hugging Face hub answers when a model is fetched, on this machine."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """Has the models of ``folders``, by ORG/NAME. Each is one commit, which is its ``main``."""

    daemon_threads = True

    def __init__(self, folders: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.folders = folders
        self.token: str | None = None
        """What a caller has to show."""
        self.sent: list[str] = []
        """The files that were fetched."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repository: str) -> str:
        """Another one when a file is."""
        digest = hashlib.sha1(usedforsecurity=False)
        for path in _files(self.folders[repository]):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()


@contextmanager
def hub(folders: dict[str, Path]) -> Iterator[Hub]:
    with Hub(folders) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        of_api = parts[:2] == ["api", "models"]
        if not of_api and "resolve" not in parts:
            self._refuse(404, "EntryNotFound")
            return
        organisation, name, what, revision, *rest = parts[2:] if of_api else parts
        repository = f"{organisation}/{name}"
        token = self.server.token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            self._refuse(401, "RepoNotFound")
        elif repository not in self.server.folders:
            self._refuse(404, "RepoNotFound")
        elif revision not in ("main", self.server.commit(repository)):
            self._refuse(404, "RevisionNotFound")
        elif of_api:
            self._describe(repository, what)
        else:
            self._send_file(repository, "/".join(rest))

    def _describe(self, repository: str, what: str) -> None:
        folder = self.server.folders[repository]
        files = [
            {"type": "file", "path": str(path.relative_to(folder)), "size": path.stat().st_size}
            | {"oid": hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()}
            for path in _files(folder)
        ]
        commit = {"id": repository, "sha": self.server.commit(repository), "siblings": []}
        body = json.dumps(files if what == "tree" else commit).encode()
        self._send(200, {"Content-Type": "application/json"}, body)

    def _send_file(self, repository: str, name: str) -> None:
        body = (self.server.folders[repository] / name).read_bytes()
        if self.command == "GET":
            self.server.sent.append(name)
        tag = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        told = {"ETag": f'"{tag}"', "X-Repo-Commit": self.server.commit(repository)}
        self._send(200, told, body)

    def _refuse(self, status: int, reason: str) -> None:
        self._send(status, {"X-Error-Code": reason}, b"")

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
