"""Which of an engine's processes computes which prompts.

What prompts begin with is in the cache of the process that has computed it. So prompts that begin
alike go to the same one, by consistent hashing with bounded loads (Mirrokni, Thorup and
Zadimoghaddam 2018): each beginning has an order of processes of its own, and goes to the first
that would not have much more than its share with them.
"""

import math
from collections.abc import Collection, Iterator, Sequence

from trueodds_service.engine.base import TokenPrompt

# Prompts that agree so far begin alike. Worked examples are longer, and differ by their task.
_BEGINNING_TOKENS = 128
# How much more than its share of the prompts under way a process may have: the paper's 1 + ε.
_BOUND = 1.25
# Prompts that begin alike are assigned so many at a time.
_PIECE = 32


class Router:
    """Assigns prompts to processes, and knows how many each has under way."""

    def __init__(self, processes: int) -> None:
        self._loads = [0] * processes

    def assign(
        self, prompts: Sequence[TokenPrompt], without: Collection[int] = ()
    ) -> dict[int, list[int]]:
        """The places of the prompts that each process gets; ``without`` names some that get none.

        They count as under way until ``done``.
        """
        open_ = [each for each in range(len(self._loads)) if each not in without]
        shares: dict[int, list[int]] = {}
        for beginning, places in _pieces(prompts):
            process = self._process(beginning, open_, len(places))
            self._loads[process] += len(places)
            shares.setdefault(process, []).extend(places)
        return shares

    def done(self, process: int, prompts: int) -> None:
        """So many prompts of a process are not under way any more."""
        self._loads[process] -= prompts

    def _process(self, beginning: int, open_: Sequence[int], prompts: int) -> int:
        under_way = sum(self._loads[each] for each in open_) + prompts
        most = math.ceil(_BOUND * under_way / len(open_))
        order = sorted(open_, key=lambda each: hash((beginning, each)))
        fitting = (each for each in order if self._loads[each] + prompts <= most)
        # Where so many prompts together fit nowhere, whoever has the least takes them.
        return next(fitting, min(order, key=self._loads.__getitem__))


def _pieces(prompts: Sequence[TokenPrompt]) -> Iterator[tuple[int, list[int]]]:
    """What prompts begin with, as a hash, and the places of some that do."""
    alike: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        alike.setdefault(hash(prompt.prompt[:_BEGINNING_TOKENS]), []).append(place)
    for beginning, places in alike.items():
        for start in range(0, len(places), _PIECE):
            yield beginning, places[start : start + _PIECE]
