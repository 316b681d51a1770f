"""A round of examples, and the report of what they broke."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

ROUND = 250
"""Examples of a round."""
ITEM = "an item of a batch"
MOST_TEXT = 3000
"""Characters of a request that are shown."""

Example = TypeVar("Example")

_SETTINGS = settings(
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    print_blob=False,
    report_multiple_bugs=True,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


@dataclass
class Report:
    """What was asked and how it ended, as (method, code); of a batch also its items.

    ``broken`` holds each broken promise once, with the smallest request that breaks it, and
    ``times`` how often each was. ``drift`` is how far a number of a plain question's answer went.
    """

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    drift: float = 0.0
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        return self.endings.total() - sum(self.endings[ITEM, kind] for kind in ("OK", "error"))

    def __str__(self) -> str:
        lines = [f"{self.requests} requests in {self.seconds:.0f} s"]
        lines += [
            f"  {method:26} {code:20} {count:7}"
            for (method, code), count in sorted(self.endings.items())
        ]
        for promise, request in self.broken.items():
            lines += ["", f"BROKEN, {self.times[promise]} times: {promise}", request]
        return "\n".join(lines)


class _Broken(Exception):
    """A promise that a call broke."""

    def __init__(self, promise: str, call: Any) -> None:
        super().__init__(promise)
        self.promise = promise
        self.call = call


@cache
def _kind_of(promise: str) -> type[_Broken]:
    """Hypothesis tells faults apart by their class, and shrinks each by itself."""
    del promise
    return type("Broken", (_Broken,), {})


def play_round(
    report: Report,
    strategy: st.SearchStrategy[Example],
    broken: Callable[[Example], Iterator[tuple[str, Any]]],
    shown: Callable[[Any], str],
    *,
    examples: int,
    round_seed: int,
) -> None:
    """Asks ``examples`` examples. ``broken`` asks one and yields each promise that it breaks, with
    what breaks it, of which ``shown`` makes text for the report.
    """
    already = set(report.broken)

    @seed(round_seed)
    @settings(_SETTINGS, max_examples=examples)
    @given(strategy)
    def promises_hold(example: Example) -> None:
        for promise, call in broken(example):
            report.times[promise] += 1
            if promise not in already:
                raise _kind_of(promise)(promise, call)

    for error in _errors_of(promises_hold):
        if isinstance(error, _Broken):
            report.broken.setdefault(error.promise, shown(error.call))


def _errors_of(check: Callable[[], None]) -> Iterator[BaseException]:
    """Every error of a run, out of the groups that it comes in. Raises what is none of ours."""
    try:
        check()
    except* (_Broken, Flaky) as group:
        yield from _leaves(group)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
