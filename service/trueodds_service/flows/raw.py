"""Why an answer is raw: the scope that has no calibrator, and what is nearest to it."""

from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from trueodds_service.store.records import Scope

_MAX_NEAR = 3


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
    ours = sorted(own, key=_far_from(scope))
    if not ours:
        return f"{because}; the model has none"
    near = "; ".join(_words(each) + _outdated(each, scope) for each in ours[:_MAX_NEAR])
    return f"{because}; the nearest is for {near}" if len(ours) == 1 else f"{because}; near: {near}"


def _far_from(scope: Scope) -> Callable[[Scope], tuple[int, float, str]]:
    """How far a scope is from this one: the first is the nearest."""

    def far(each: Scope) -> tuple[int, float, str]:
        likeness = SequenceMatcher(None, each.task, scope.task).ratio()
        differing = sum(
            (
                each.revision != scope.revision,
                each.format_version != scope.format_version,
                each.reading != scope.reading,
                each.options not in (0, scope.options),
            )
        )
        return (differing + 2 * (each.task not in ("", scope.task)), -likeness, each.task)

    return far


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
