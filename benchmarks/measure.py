"""The measurement: rounds in which every system that is there scores the same questions in turn."""

import functools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.agreement import Agreement, agreement
from benchmarks.process import Failed, Measured, SystemProcess
from benchmarks.rows import BASELINE, ROWS, SYSTEMS, Row, lanes
from benchmarks.workload import Round, Task, first
from trueodds_service.config import VllmSettings


@dataclass
class Found:
    """What the rounds told about a row. ``ratios`` are to the baseline's rate in the same round."""

    row: Row
    rates: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    agreement: Agreement | None = None
    start_seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Plan:
    """What to measure, on what.

    The first round warms up and is not counted; in it the answers are compared.
    """

    weights: Path
    settings: VllmSettings
    work: Sequence[Sequence[Round]]
    """By lane, then by round."""
    rows: Sequence[Row]
    beside: int
    """Systems that are up beside the baseline at once; 0 where memory is for one at a time."""
    slow_questions: int
    """How many questions a round the slow rows get."""


Tell = Callable[[str], None]
Keep = Callable[[Sequence[Found], Sequence[float]], None]


def measure(plan: Plan, tell: Tell, keep: Keep) -> None:
    """Measures all rows. ``keep`` gets what is known so far, after each round.

    Systems come up beside the baseline a few at a time, as memory allows; the baseline runs
    again beside each, so that every ratio is of rates from the same round, seconds apart. Where
    memory allows one system at a time, its rates are to those of the same rounds before.
    """
    if not plan.beside:
        _one_by_one(plan, tell, keep)
        return
    tell("starting LLM.generate …")
    baseline = SystemProcess(SYSTEMS[BASELINE], plan.weights, plan.settings)
    drift: list[float] = []
    try:
        base = Found(ROWS[0], start_seconds=baseline.wait())
        found = [base]
        names = list(dict.fromkeys(row.system for row in plan.rows))
        for start in range(0, max(len(names), 1), plan.beside):
            together = names[start : start + plan.beside]
            rows = [Found(row) for row in plan.rows if row.system in together]
            found += rows
            _beside(plan, baseline, base, rows, drift, tell, functools.partial(keep, found, drift))
    finally:
        baseline.stop()


def _one_by_one(plan: Plan, tell: Tell, keep: Keep) -> None:
    known = _Baseline()
    found: list[Found] = []
    for name in [BASELINE, *dict.fromkeys(row.system for row in plan.rows)]:
        its = [Found(row) for row in plan.rows if row.system == name]
        found += its or [Found(ROWS[0])]
        tell(f"starting {name} …")
        system = SystemProcess(SYSTEMS[name], plan.weights, plan.settings)
        try:
            seconds = system.wait()
            for each in (rows := its or found[:1]):
                each.start_seconds = seconds
            rounds = _Rounds(plan, {name: system}, rows, known, tell)
            rounds.compare()
            for number in range(1, len(plan.work[0])):
                rounds.measure(number)
                keep(found, ())
        except Failed as error:
            tell(f"{name} failed:\n{error}")
            for each in its:
                each.failure = str(error)
        finally:
            system.stop()
    keep(found, ())


def _beside(
    plan: Plan,
    baseline: SystemProcess,
    base: Found,
    found: Sequence[Found],
    drift: list[float],
    tell: Tell,
    keep: Callable[[], None],
) -> None:
    names = dict.fromkeys(each.row.system for each in found)
    tell(f"starting {', '.join(names)} …")
    systems = {BASELINE: baseline} | {
        name: SystemProcess(SYSTEMS[name], plan.weights, plan.settings) for name in names
    }
    try:
        for name in names:
            its = [each for each in found if each.row.system == name]
            try:
                seconds = systems[name].wait()
                for each in its:
                    each.start_seconds = seconds
            except Failed as error:
                tell(f"{name} did not start:\n{error}")
                del systems[name]
                for each in its:
                    each.failure = str(error)
        baseline.measure("forget", [])
        rounds = _Rounds(plan, systems, [base, *found], _Baseline(), tell)
        rounds.compare()
        for number in range(1, len(plan.work[0])):
            rounds.measure(number)
            keep()
        drift.append(statistics.median(base.rates[1 - len(plan.work[0]) :]))
        keep()
    finally:
        for name, system in systems.items():
            if name != BASELINE:
                system.stop()


@dataclass
class _Baseline:
    """What the baseline has told: its rates by round, and its answers of the first one by lane."""

    rates: dict[int, float] = field(default_factory=dict)
    answers: dict[int, Measured] = field(default_factory=dict)


class _Rounds:
    """Has every row score the questions of a round in turn."""

    def __init__(
        self,
        plan: Plan,
        systems: dict[str, SystemProcess],
        found: Sequence[Found],
        baseline: _Baseline,
        tell: Tell,
    ) -> None:
        self._plan = plan
        self._systems = systems
        self._found = found
        self._baseline = baseline
        self._lanes = lanes([each.row for each in found])
        self._tell = tell

    def compare(self) -> None:
        """The first round: warms everything up, and compares the answers with the baseline's."""
        for each in self._found:
            lane = self._lanes[each.row.key]
            is_unknown = BASELINE in self._systems and lane not in self._baseline.answers
            if is_unknown and (told := self._score(self._found[0], 0, lane)):
                self._baseline.answers[lane] = told
            measured = self._score(each, 0, lane) if each.row.key != BASELINE else None
            reference = self._baseline.answers.get(lane)
            if measured and reference and each.row.work == "batches":
                everything = self._plan.work[lane][0].batches
                theirs = reference.scores.logprobs
                places = _places(everything, self._asked(each, 0, lane))
                each.agreement = agreement(
                    measured.scores.logprobs, [theirs[place] for place in places]
                )

    def measure(self, number: int) -> None:
        """A round of another number begins with another row; single questions come last."""
        order = [each for each in self._found if each.row.work == "batches"]
        turn = number % len(order)
        order = order[turn:] + order[:turn]
        rates: list[tuple[Found, float]] = []
        for each in order + [each for each in self._found if each.row.work == "alone"]:
            lane = self._lanes[each.row.key]
            if measured := self._score(each, number, lane):
                count = sum(len(task.questions) for task in self._asked(each, number, lane))
                rates.append((each, count / measured.seconds))
                each.latencies += measured.scores.latencies
        for each, rate in rates:
            if each.row.key == BASELINE:
                self._baseline.rates[number] = rate
        if number not in self._baseline.rates:
            raise Failed(self._found[0].failure)
        for each, rate in rates:
            each.rates.append(rate)
            each.ratios.append(rate / self._baseline.rates[number])

    def _asked(self, each: Found, number: int, lane: int) -> list[Task]:
        work = self._plan.work[lane][number]
        tasks = work.alone if each.row.work == "alone" else work.batches
        return first(tasks, self._plan.slow_questions) if each.row.slow else tasks

    def _score(self, each: Found, number: int, lane: int) -> Measured | None:
        """None where the row has failed, now or before."""
        if each.failure:
            return None
        self._tell(f"round {number} of {len(self._plan.work[0]) - 1}: {each.row.name}")
        system = self._systems[each.row.system]
        try:
            return system.measure(each.row.method, self._asked(each, number, lane))
        except Failed as error:
            self._tell(f"{each.row.name} failed:\n{error}")
            each.failure = str(error)
            return None


def _places(all_tasks: Sequence[Task], some: Sequence[Task]) -> list[int]:
    """Where the questions of ``some`` are among those of all."""
    starts, start = {}, 0
    for task in all_tasks:
        starts[task.name] = start
        start += len(task.questions)
    return [starts[task.name] + place for task in some for place in range(len(task.questions))]
