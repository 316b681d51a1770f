"""Why an answer is raw: the scope that has no calibrator, and what is nearest to it."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from heapq import nsmallest
from itertools import pairwise

from trueodds_service.store.records import Scope

_MAX_NEAR = 3
_MAX_COMPARED = 24
# Of two letters that share a bit nothing worse comes than a scope that is compared for nothing.
_BITS = 512


def raw_because(scope: Scope, active: Iterable[Scope]) -> str:
    """Why no calibrator applies in ``scope``, where those of ``active`` answer; in words.

    The nearest are named: a task that is written otherwise, another reading, another number of
    options.
    """
    because = f"no calibrator is active for {_words(scope)}, nor for the model's default"
    if not scope.task:
        because = f"no calibrator is active for {_words(scope)}"
    own = (
        each
        for each in active
        if (each.tenant, each.model) == (scope.tenant, scope.model) and not each.is_alone
    )
    ours = _nearest(scope, own)
    if not ours:
        return f"{because}; the model has none"
    near = "; ".join(_words(each) + _outdated(each, scope) for each in ours[:_MAX_NEAR])
    return f"{because}; the nearest is for {near}" if len(ours) == 1 else f"{because}; near: {near}"


def _nearest(scope: Scope, own: Iterable[Scope]) -> list[Scope]:
    """The nearest of a model's scopes, the first the nearest; more than are named.

    There may be a thousand of them, and a request has hundreds of tasks that have none: only what
    looks near at a glance is compared letter by letter.
    """
    pairs = _pairs(scope.task)
    some = nsmallest(_MAX_COMPARED, own, key=lambda each: _glance(each, scope, pairs))
    # It works on what it compares with once.
    words = SequenceMatcher(None, "", scope.task)

    def far(each: Scope) -> tuple[int, float, str]:
        words.set_seq1(each.task)
        return (_differing(each, scope), -words.ratio(), each.task)

    return sorted(some, key=far)


def _glance(each: Scope, scope: Scope, pairs: int) -> tuple[int, float]:
    theirs = _pairs(each.task)
    alike = (pairs & theirs).bit_count() / ((pairs | theirs).bit_count() or 1)
    return _differing(each, scope), -alike


def _differing(each: Scope, scope: Scope) -> int:
    """How much of a scope is not as in this one; another task is as much as two other things."""
    return (
        (each.revision != scope.revision)
        + (each.format_version != scope.format_version)
        + (each.reading != scope.reading)
        + (each.options not in (0, scope.options))
        + 2 * (each.task not in ("", scope.task))
    )


@lru_cache(maxsize=4096)
def _pairs(task: str) -> int:
    """The pairs of letters that are next to each other, and the letters, each as a bit."""
    letters = [ord(each) for each in task]
    bits = sum({1 << each % _BITS for each in letters})
    for one, two in pairwise(letters):
        bits |= 1 << _BITS + (31 * one + two) % _BITS
    return bits


def _words(scope: Scope) -> str:
    task = f"task {scope.task!r}" if scope.task else "the default task"
    options = f"{scope.options} options" if scope.options else "any number of options"
    return f"{task}, {options}, reading {scope.reading!r}"


def _outdated(each: Scope, scope: Scope) -> str:
    if each.revision != scope.revision:
        return " (another revision of the model)"
    if each.format_version != scope.format_version:
        return " (another version of the formats)"
    return ""
