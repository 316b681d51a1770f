"""What callers of hostile engines found."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf import text_format
from google.protobuf.message import Message

from verification.fuzz.marked import Asked

_MOST_TEXT = 2000


@dataclass
class Found:
    """What was asked, and what was wrong: each fault with one request, and how often.

    ``come_back`` counts the calls that were told to, ``deaths`` those of the engines, and
    ``harmless`` the prompts without a mark that were in one that died.
    """

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    times: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    questions: int = 0
    marked: int = 0
    come_back: int = 0
    deaths: int = 0
    harmless: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        return self.endings.total()

    def add(self, kind: str, asked: Sequence[Asked], code: str) -> None:
        with self._lock:
            self.endings[kind, code] += 1
            self.questions += len(asked)
            self.marked += sum(each.mark is not None for each in asked)

    def wrong(self, what: str, request: Message) -> None:
        with self._lock:
            self.times[what] += 1
            text = text_format.MessageToString(request)
            self.broken.setdefault(what, text[:_MOST_TEXT])

    def told_to_come_back(self) -> None:
        with self._lock:
            self.come_back += 1

    def __str__(self) -> str:
        lines = [
            f"{self.requests} requests, {self.questions} questions, {self.marked} of them marked;"
            f" {self.deaths} deaths with {self.harmless} prompts in the engine that were harmless;"
            f" {self.come_back} calls told to come back"
        ]
        lines += [
            f"  {kind:12} {code:20} {n:7}" for (kind, code), n in sorted(self.endings.items())
        ]
        for what, request in self.broken.items():
            lines += ["", f"BROKEN, {self.times[what]} times: {what}", request]
        return "\n".join(lines)
