"""What `trueodds serve` says of its models: a line for each change that matters."""

from collections.abc import Iterator, Mapping, Sequence

# Each model's state, by the contract's names, and why it is not ready.
States = Mapping[str, tuple[str, str]]


# What one gateway says of a model goes before what others say, in this order.
_FIRST = ("FAILED", "LOST", "STARTING", "READY")


def together(states: Sequence[States]) -> States:
    """What several gateways say, as one: a model is ready where all say so that have it. While one
    configuration takes another's place they do not all have the same.
    """
    names = dict.fromkeys(name for each in states for name in each)
    return {
        name: min(
            (each[name] for each in states if name in each), key=lambda told: _FIRST.index(told[0])
        )
        for name in names
    }


def in_short(states: States) -> str:
    """All of them in a line, without the causes."""
    others = [f"{name} {state}" for name, (state, _) in states.items() if state != "READY"]
    ready = f"{len(states) - len(others)} of {len(states)} models ready"
    return "; ".join([ready, *others])


class ModelsProgress:
    """The models' states as they were last told."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str]] = {}
        self._has_started = False
        self._was_ready = False

    @property
    def has_started(self) -> bool:
        """Whether each model has been ready or has failed."""
        return self._has_started

    def lines(self, states: States) -> Iterator[str]:
        """What has changed since the last call."""
        for name, (state, cause) in states.items():
            before, _ = self._told.get(name, ("STARTING", ""))
            if self._told.get(name) != (state, cause):
                yield from _changed(name, before, state, cause)
        self._told = dict(states)
        if self._all("READY") and not self._was_ready:
            self._has_started = self._was_ready = True
            yield f"ready: {', '.join(states)}"
        elif self._all("READY", "FAILED") and not self._has_started:
            self._has_started = True
            failed = [name for name, (state, _) in states.items() if state == "FAILED"]
            served = [name for name in states if name not in failed]
            yield f"not ready: {', '.join(failed)}; serving {', '.join(served) or 'nothing'}"

    def _all(self, *wanted: str) -> bool:
        return bool(self._told) and all(state in wanted for state, _ in self._told.values())


def _changed(name: str, before: str, state: str, cause: str) -> Iterator[str]:
    if state == "LOST":
        yield f"{name} is lost: {cause or 'its engine is being replaced'}"
    elif state == "FAILED":
        yield f"{name} has failed: {cause}"
    elif state == "READY" and before in ("LOST", "FAILED"):
        yield f"{name} is back"
