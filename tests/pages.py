"""The code on the pages, piece by piece: each is run by a test, or it is told here why not."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "clients", "service", "deploy", "benchmarks", "studies")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")),
]

RUN_BY = {
    "program": "tests/http/test_pages.py",
    "curl": "tests/http/test_pages.py",
    "grpcurl": "tests/http/test_pages.py",
    "trueodds": "tests/http/test_pages.py",
    "make": "tests/test_docs.py",
    "python": "tests/test_docs.py",
    "yaml": "tests/test_docs.py",
    "json": "tests/test_docs.py",
}
"""Each kind of code, and the test that takes all of it that is not in ``APART``."""

APART = {
    # As each begins. Of commands, tests/test_docs.py looks whether they have their options.
    "from lm_eval import": "tests/clients/lm_eval/test_backend.py runs it on a task of its own",
    "python -m trueodds.lm_eval": "its tasks are on a hub; tests/clients/lm_eval runs others so",
    "import base64, hashlib": "tests/edge/test_webhook.py verifies with it",
    "from transformers import AutoModel": "needs a GGUF file and the package gguf",
    "pip install": "needs a package index; tests/test_docs.py looks for the extra",
    "openssl": "tests/http/test_pages.py runs it with what stands beside it",
    "for name in localhost": "tests/http/test_pages.py runs it with what stands beside it",
    "trueodds models --server localhost:50051 --ca": "tests/http/test_pages.py runs it over TLS",
    "trueodds serve ": "needs Ray and vLLM; tests/integration starts it with the demo's file",
    ".venv/bin/trueodds serve ": "needs Ray and vLLM; tests/integration starts it so",
    "ray ": "needs a cluster; tests/integration/test_cluster.py starts two nodes so",
    "export RAY_AUTH_MODE": "needs a cluster; tests/integration/test_cluster.py sets it",
    "serve ": "needs a cluster; tests/integration/test_serve_deploy.py runs it",
    "PYTHONPATH=service:deploy/demo python": "trains for minutes on a GPU",
    "apt-get install gcc": "as root, on a machine of Debian's",
    "cd /opt/trueodds": "as root; tests/test_deploy.py holds it against the unit",
    "python3.11 -m venv": "as root; tests/test_deploy.py holds it against the unit",
    "venv/bin/pip install": "as root; tests/test_deploy.py holds it against the unit",
    "useradd": "as root; tests/test_deploy.py holds it against the unit",
    "install -": "as root; tests/test_deploy.py holds it against the unit",
    "systemd-run ": "as root; needs systemd",
    "systemctl ": "as root; tests/test_deploy.py holds it against the unit",
    "startupProbe:": "is of Kubernetes; tests/test_docs.py looks for the name that it asks for",
}
"""What is run elsewhere, or cannot be run: how it begins, and why."""

_SHELL = ("", "sh", "bash")


@dataclass(frozen=True)
class Piece:
    """A block, or of a shell's block one command."""

    page: str
    line: int
    kind: str
    text: str

    @property
    def why_apart(self) -> str:
        return next((why for begins, why in APART.items() if self.text.startswith(begins)), "")

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def _pieces() -> Iterator[Piece]:
    for page in PAGES:
        text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
        for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 2
            if block[1] not in _SHELL:
                kind = {"python": "program"}.get(block[1], block[1])
                yield Piece(name, line, kind, block[2])
                continue
            for number, command in _commands(block[2]):
                words = shlex.split(command, comments=True)
                yield Piece(name, line + number, words[0].removeprefix(".venv/bin/"), command)


def _commands(block: str) -> Iterator[tuple[int, str]]:
    """A shell's commands, of one line or more, and the lines that they begin at."""
    command, begins = "", 0
    for number, line in enumerate(block.splitlines()):
        begins, command = (begins, f"{command}\n{line}") if command else (number, line)
        if line.endswith("\\") or not _is_whole(command):
            continue
        yield begins, command.replace("\\\n", "")
        command = ""
    assert not command, f"no end: {command}"


def _is_whole(command: str) -> bool:
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # within quotes
        return False
    return words[:1] != ["for"] or words[-1] == "done"


PIECES = [*_pieces()]


def of(kind: str) -> list[Piece]:
    """Every piece of a kind that is to be run."""
    return [each for each in PIECES if each.kind == kind and not each.why_apart]


def beginning(text: str) -> Piece:
    """The piece that begins so."""
    [found] = [each for each in PIECES if each.text.startswith(text)]
    return found
