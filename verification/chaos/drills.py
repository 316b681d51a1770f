"""All drills, by name, in the order in which they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from verification.chaos import killed_writer
from verification.chaos.databases import KINDS
from verification.chaos.record import Result


@dataclass(frozen=True)
class Drill:
    """``run`` takes the number of tries, of which ``tries`` are a whole run."""

    run: Callable[[int], Result]
    tries: int


def _killed_writer(kind: str) -> Drill:
    return Drill(lambda tries: killed_writer.drill(kind, tries), killed_writer.TRIES)


DRILLS: Mapping[str, Drill] = {
    **{f"killed-writer-{kind}": _killed_writer(kind) for kind in KINDS},
}
