"""The service over the fake engine, which takes hardly any time: what is left is the service's."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from trueodds import Client
from trueodds_demo.service import MODELS, running

MODEL = "fake"
_GATEWAY = "gateway"


@contextmanager
def fake_service(http: str | None = None, store: str = "sqlite:///s.sqlite") -> Iterator[str]:
    """Runs it with one model, ``MODEL``; the value is its address. ``http`` is the other door's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serve.yaml"
        model = {"name": MODEL, "weights": str(MODELS / "base"), "engine": {"backend": "fake"}}
        content: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "store": store,
            "models": [model],
        }
        if http:
            content["http"] = http
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        with running(path) as address:
            with Client(address) as client:
                client.wait_until_ready()
            yield address


def gateway() -> psutil.Process:
    """The process of the gateway that runs, by the title that Ray gives it."""
    for process in psutil.Process().children(recursive=True):
        if _GATEWAY in " ".join(process.cmdline()):
            return process
    raise RuntimeError("no process of a gateway")
