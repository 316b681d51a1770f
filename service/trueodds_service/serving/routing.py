"""Which of a model's replicas computes which prompts.

What prompts begin with is in the cache of the replica that has computed it. So prompts that begin
alike go to the same one: each beginning has an order of the replicas, by rendezvous hashing
(Thaler and Ravishankar 1998), which is the same in every gateway; a replica that comes takes its
share of the beginnings from all others, and no beginning moves between those. Each goes to the
first replica that would not have much more than its share with it (bounded loads: Mirrokni, Thorup
and Zadimoghaddam 2018).
"""

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b

from trueodds_service import caller
from trueodds_service.engine.base import TokenPrompt

# Prompts that agree so far begin alike. Worked examples are longer, and differ by their task.
_BEGINNING_TOKENS = 128
# How much more than its share of the prompts under way a replica may have: the paper's 1 + ε.
_BOUND = 1.25
# Prompts that begin alike are assigned so many at a time.
_PIECE = 32


class Router:
    """Assigns prompts to replicas, and knows how many each has under way from here."""

    def __init__(self) -> None:
        self._loads: Counter[int] = Counter()

    def assign(
        self, prompts: Sequence[TokenPrompt], replicas: Collection[int]
    ) -> dict[int, list[int]]:
        """The places of the prompts that each of ``replicas`` gets, by its id.

        They count as under way until ``done``.
        """
        shares: dict[int, list[int]] = {}
        for beginning, places in _pieces(prompts):
            replica = self._replica(beginning, replicas, len(places))
            self._loads[replica] += len(places)
            shares.setdefault(replica, []).extend(places)
        return shares

    def done(self, replica: int, prompts: int) -> None:
        """So many prompts of a replica are not under way any more."""
        self._loads[replica] -= prompts
        if not self._loads[replica]:
            del self._loads[replica]

    def _replica(self, beginning: bytes, replicas: Collection[int], prompts: int) -> int:
        if len(replicas) == 1:
            [only] = replicas
            return only
        under_way = sum(self._loads[each] for each in replicas) + prompts
        most = math.ceil(_BOUND * under_way / len(replicas))
        order = sorted(replicas, key=lambda each: _weight(beginning, each))
        fitting = (each for each in order if self._loads[each] + prompts <= most)
        # Where so many prompts together fit nowhere, whoever has the least takes them.
        return next(fitting, min(order, key=self._loads.__getitem__))


def _weight(beginning: bytes, replica: int) -> bytes:
    return blake2b(beginning, key=replica.to_bytes(8, "big"), digest_size=8).digest()


def _pieces(prompts: Sequence[TokenPrompt]) -> Iterator[tuple[bytes, list[int]]]:
    """What prompts begin with, as a hash, and the places of some that do."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, prompt in enumerate(prompts):
        alike.setdefault(prompt.prompt[:_BEGINNING_TOKENS], []).append(place)
    for tokens, places in alike.items():
        # A tenant's prompts are cached for it alone.
        tenant = caller.current().tenant.encode()
        beginning = blake2b(array("q", tokens).tobytes(), digest_size=16, key=tenant[:64]).digest()
        for start in range(0, len(places), _PIECE):
            yield beginning, places[start : start + _PIECE]
