"""Callers who try again until they are answered, and who know the right answers."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar, Unpack

from trueodds import Answer, Client, Method, Question, TrueoddsError, Unavailable
from trueodds.calibrator import Calibrator
from trueodds.errors import DeadlineExceeded
from trueodds.options import ConnectionOptions
from trueodds_service.store import SqlCalibratorStore
from verification.chaos.record import Result
from verification.chaos.service import MODEL

TASK = "chaos"
_TOLERANCE = 1e-4
_BATCH = 8
_OPTIONS = ("red", "green", "blue", "white")
QUESTIONS = [Question(f"What colour has number {number}?", _OPTIONS) for number in range(64)]
_MEANWHILE_SECONDS = 0.05

Told = TypeVar("Told")


class Served(Protocol):
    """What is asked, and the URL of its store."""

    @property
    def address(self) -> str: ...

    @property
    def store(self) -> str: ...


@dataclass
class Load:
    """What callers have been told. ``done`` has, of each caller, when its last call began that
    has been answered, by the clock of ``time.monotonic``.
    """

    service: Served
    result: Result
    patience: float
    call_seconds: float
    pause: float = _MEANWHILE_SECONDS
    right: list[list[float]] = field(default_factory=list)
    done: dict[str, float] = field(default_factory=dict)
    longest: float = 0.0
    """The seconds of the longest call, answered or not."""
    answered: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Each caller's calls that were answered: when each began, and its seconds."""
    written: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def recovered(self, since: float) -> float:
        """Waits until every caller has had an answer to what it asked after this moment; the
        seconds from then until the last of them had. Those who never do are lost.
        """
        with self.changed:
            all_told = self.changed.wait_for(
                lambda: all(began > since for began in self.done.values()), self.patience
            )
        if not all_told:
            self._lost("a caller is not answered any more")
        return time.monotonic() - since

    def score(self, name: str, client: Client) -> None:
        """Asks a batch again and again until it is answered."""
        count = 0
        while not self.stop.is_set():
            first = _BATCH * count % len(QUESTIONS)
            count += 1
            self._until_told(name, partial(self._ask, client, first))
            self.stop.wait(self.pause)

    def _ask(self, client: Client, first: int) -> bool:
        told: list[int] = []
        outcomes = client.score_batch(
            QUESTIONS[first : first + _BATCH],
            model=MODEL,
            timeout=self.call_seconds,
            on_outcome=lambda index, _: told.append(index),
        )
        twice = len(told) - len(set(told))
        self.result.duplicated += twice
        for number, outcome in enumerate(outcomes, first):
            if isinstance(outcome, Answer):
                self._compare(number, outcome)
            elif isinstance(outcome, Unavailable | DeadlineExceeded):
                raise outcome
            else:
                self._wrong(f"question {number}: {outcome!r}")
        return True

    def _compare(self, number: int, answer: Answer) -> None:
        pairs = zip(answer.options, self.right[number], strict=True)
        if any(abs(option.logprob - right) > _TOLERANCE for option, right in pairs):
            self._wrong(f"question {number} has another answer")

    def write(self, name: str, client: Client) -> None:
        """Fits and activates one calibrator after the other, each under a name of its own, and
        looks for it in the answers.
        """
        while not self.stop.is_set():
            number = len(self.written)
            made = self._until_told(name, partial(self._fit, client, number))
            if made is None:
                return
            self.written.append(made.name)
            self._until_told(name, partial(self._answers, client, made.name, number))
            self.stop.wait(4 * _MEANWHILE_SECONDS)

    def _fit(self, client: Client, number: int) -> Calibrator:
        return client.fit(
            model=MODEL,
            task=TASK,
            method=Method.CONSTANT,
            temperature=_temperature(number),
            options=len(_OPTIONS),
            activate=True,
            request_id=f"chaos {number}",
            timeout=self.call_seconds,
        )

    def _answers(self, client: Client, name: str, number: int) -> bool:
        """Whether the calibrator answers yet: in every gateway within a second, where the store
        is there.
        """
        answer = client.score(QUESTIONS[0], model=MODEL, task=TASK, timeout=self.call_seconds)
        if answer.calibrator != name:
            return False
        scaled = [option.logprob / _temperature(number) for option in answer.options]
        total = math.log(sum(map(math.exp, scaled)))
        for option, logit in zip(answer.options, scaled, strict=True):
            if abs(option.calibrated_probability - math.exp(logit - total)) > _TOLERANCE:
                self._wrong(f"{name} calibrates otherwise")
        return True

    def _until_told(self, name: str, ask: Callable[[], Told]) -> Told | None:
        """Asks until the answer is true; ``None`` where none comes while there is patience."""
        end = time.monotonic() + self.patience
        while (began := time.monotonic()) < end:
            try:
                told: Told | None = ask()
            except (Unavailable, DeadlineExceeded) as error:
                self.result.count(f"told {error.reason or type(error).__name__}")
                told = None
            except TrueoddsError as error:
                self._wrong(f"{name}: {error!r}")
                told = None
            took = time.monotonic() - began
            self.longest = max(self.longest, took)
            if told:
                self.answered.setdefault(name, []).append((began, took))
                self.result.count("calls answered")
                with self.changed:
                    self.done[name] = began
                    self.changed.notify_all()
                return told
            time.sleep(_MEANWHILE_SECONDS)
        self._lost(f"{name}: no answer in {self.patience:.0f} s")
        return None

    def _lost(self, note: str) -> None:
        self.result.lost += 1
        self.result.note(note)

    def _wrong(self, note: str) -> None:
        self.result.wrong += 1
        self.result.note(note)


def _temperature(number: int) -> float:
    return 1.0 + number / 100


@contextlib.contextmanager
def load(
    service: Served,
    result: Result,
    *,
    callers: int = 4,
    patience: float = 120.0,
    call_seconds: float = 30.0,
    pause: float = _MEANWHILE_SECONDS,
    retries: int = 3,
    **security: Unpack[ConnectionOptions],
) -> Iterator[Load]:
    """Callers of connections of their own, and one who writes; calls have a deadline, and an
    answer that does not come within a caller's patience is lost. Those who are asking at the end
    are answered first; then what was written has to be in the store, in its order and once.
    """

    def connected() -> AbstractContextManager[Client]:
        return Client(service.address, retries=retries, **security)

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connected())
        told = client.score_batch(QUESTIONS, model=MODEL)
        right = [[o.logprob for o in each.options] for each in told if isinstance(each, Answer)]
        if len(right) != len(QUESTIONS):
            raise RuntimeError("the service does not answer before the drill")
        running = Load(service, result, patience, call_seconds, pause, right)
        jobs = {f"caller {number}": running.score for number in range(callers)}
        jobs["writer"] = running.write
        running.done.update(dict.fromkeys(jobs, 0.0))
        threads = [
            threading.Thread(target=job, args=(name, stack.enter_context(connected())), daemon=True)
            for name, job in jobs.items()
        ]
        for thread in threads:
            thread.start()
        try:
            running.recovered(0.0)
            yield running
        finally:
            running.stop.set()
            for thread in threads:
                thread.join(2 * patience)
    check_written(running)


def check_written(running: Load) -> None:
    """A last fit that nobody was told of may be there or not; all others are, once."""
    result, written = running.result, [name.rpartition("/")[2] for name in running.written]
    result.count("fits answered", len(written))
    with contextlib.closing(SqlCalibratorStore(running.service.store)) as store:
        scope = store.get(MODEL, written[0]).scope
        activated = [row.calibrator_id for row in store.history(scope)]
        kept = [each.id for each in store.list(MODEL, task=TASK, page_size=10_000).calibrators]
    for each in written:
        if each not in kept or each not in activated:
            result.lost += 1
            result.note(f"{each} was fitted and is gone")
    result.duplicated += len(activated) - len(set(activated)) + len(kept) - len(set(kept))
    if [each for each in activated if each in written] != written:
        result.wrong += 1
        result.note("activations are in another order than they were made in")
    if len(activated) > len(written) + 1 or len(kept) > len(written) + 1:
        result.wrong += 1
        result.note("there is more than was asked for")
