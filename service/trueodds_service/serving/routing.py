"""Which of a model's replicas computes which prompts.

What prompts begin with is in the cache of the replica that has computed it. So prompts that begin
alike go to the same one. Each beginning has an order of the replicas, by rendezvous hashing
(Thaler and Ravishankar 1998), which is the same in every gateway; a replica that comes takes its
share of the beginnings from all others, and no beginning moves between those.

A beginning of which nothing is under way goes to the first of its order, or to another of the
first few that has clearly less to do (several choices: Mitzenmacher 2001). While some of its
prompts are under way, others follow them, until another replica has so much less to do that it is
worth computing the beginning once more there. `benchmarks/NOTES.md` has what this is worth.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from trueodds_service import caller
from trueodds_service.engine.base import TokenPrompt

# Prompts begin alike where this many first tokens agree. Worked examples are longer, and differ by
# their task.
_BEGINNING_TOKENS = 128
# How many prompts that begin alike are assigned at a time.
_PIECE = 32
# How many replicas of its order may be the first to compute a beginning: caches hold few.
_CHOICES = 3
# A replica is preferred for a new beginning where it has this many prompts fewer under way: what
# prompts begin with costs about as much as the rest of this many of them.
_LESS = 8
# A replica helps with a beginning that another computes where it has fewer prompts under way: fewer
# by this part of an even share, and by a piece at least.
_MUCH_LESS = 0.5


@dataclass(frozen=True)
class Share:
    """What one replica gets of some prompts: their places, and how many begin how."""

    replica: int
    places: list[int] = field(default_factory=list)
    beginnings: Counter[bytes] = field(default_factory=Counter)


class Router:
    """Assigns prompts to replicas, and knows how many each has under way from here."""

    def __init__(self) -> None:
        self._loads: Counter[int] = Counter()
        # How many prompts of each beginning are under way at which replica.
        self._homes: dict[bytes, Counter[int]] = {}

    def assign(self, prompts: Sequence[TokenPrompt], replicas: Collection[int]) -> list[Share]:
        """What some of ``replicas``, which are ids, get; it is under way until ``done``."""
        shares: dict[int, Share] = {}
        for beginning, places in _pieces(prompts):
            replica = self._replica(beginning, replicas, len(places))
            self._loads[replica] += len(places)
            self._homes.setdefault(beginning, Counter())[replica] += len(places)
            share = shares.setdefault(replica, Share(replica))
            share.places.extend(places)
            share.beginnings[beginning] += len(places)
        return [*shares.values()]

    def done(self, share: Share) -> None:
        """A share is not under way any more."""
        _less(self._loads, share.replica, len(share.places))
        for beginning, prompts in share.beginnings.items():
            homes = self._homes[beginning]
            _less(homes, share.replica, prompts)
            if not homes:
                del self._homes[beginning]

    def _replica(self, beginning: bytes, replicas: Collection[int], prompts: int) -> int:
        if len(replicas) == 1:
            [only] = replicas
            return only
        order = sorted(replicas, key=lambda each: _weight(beginning, each))
        if homes := [each for each in order if each in self._homes.get(beginning, ())]:
            wanted = self._lightest(homes)
        else:
            wanted = self._chosen(order[0], among=order[:_CHOICES], with_less=_LESS)
        even = (sum(self._loads[each] for each in replicas) + prompts) / len(replicas)
        return self._chosen(wanted, among=order, with_less=max(_PIECE, _MUCH_LESS * even))

    def _chosen(self, wanted: int, among: Sequence[int], *, with_less: float) -> int:
        """The wanted one, or the one with the least to do if it has ``with_less`` less."""
        lightest = self._lightest(among)
        return lightest if self._loads[lightest] + with_less <= self._loads[wanted] else wanted

    def _lightest(self, replicas: Sequence[int]) -> int:
        return min(replicas, key=self._loads.__getitem__)


def _less(counts: Counter[int], key: int, by: int) -> None:
    counts[key] -= by
    if not counts[key]:
        del counts[key]


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
