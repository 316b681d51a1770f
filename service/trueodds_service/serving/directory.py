"""Who is there: replicas and gateways say so, again and again, and whoever is silent is forgotten.

It keeps nothing that is not told again within a second, so that it may be replaced at any moment;
and nobody gives up a connection because it is not known here.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from trueodds_service.edge.quotas.quotas import Totals
from trueodds_service.engine.link.curve_keys import CurveKeys
from trueodds_service.engine.link.messages import LINK_VERSION
from trueodds_service.serving.killers import Known, newest
from trueodds_service.serving.loopback import keep_serve_to_this_machine
from trueodds_service.serving.progress import States

# How often who is there says so, and how long he may be silent.
ANNOUNCE_SECONDS = 1.0
_SILENCE_SECONDS = 3.0
# How long a new directory listens for announcements before it names all replicas.
HEAR_SECONDS = 2 * ANNOUNCE_SECONDS
# How long the directory may take to answer; at the end of everything it may be gone already.
ANSWER_SECONDS = 5.0
WITHDRAW_SECONDS = 1.0

Who = TypeVar("Who")
What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A replica that answers: of which model, since when (Unix time), and where.

    ``local`` is its endpoint on its own node, ``remote`` the one for other nodes, "" where there
    are none. ``keys``, if any, are what it asks for at both. ``revisions`` are those of the model
    and of its adapters by its files, by name. ``link`` is the version of its messages.
    """

    model: str
    replica: int
    started: float
    node: str
    local: str
    remote: str = ""
    keys: CurveKeys | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    link: int = LINK_VERSION

    def endpoint(self, node: str) -> str:
        """The endpoint for callers on ``node``."""
        return self.local if node == self.node or not self.remote else self.remote

    @property
    def host(self) -> str:
        """The address of its node, where it has one."""
        return urlsplit(self.remote).hostname or self.node


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """A gateway: where it listens, the states of its models, the prompts that kill them, the
    replicas that it has seen, and what its callers have spent of their quotas.
    """

    gateway: int
    address: str
    states: States
    killers: Mapping[str, Known] = field(default_factory=dict)
    replicas: frozenset[int] = frozenset()
    spent: Totals = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """What a gateway is told: who answers, which engines cannot be started, with the cause, which
    prompts any gateway knows to kill a model, and what the other gateways' callers have spent.
    """

    replicas: tuple[Announcement, ...]
    failures: Mapping[str, str]
    killers: Mapping[str, Known] = field(default_factory=dict)
    spent: Mapping[int, Totals] = field(default_factory=dict)


class Directory:
    """A Serve deployment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        keep_serve_to_this_machine()
        self._clock = clock
        self._hears_until = clock() + HEAR_SECONDS
        self._replicas: _Heard[int, Announcement] = _Heard(clock)
        self._gateways: _Heard[int, GatewayReport] = _Heard(clock)
        self._failures: _Heard[str, str] = _Heard(clock)

    async def announce(self, replica: Announcement) -> bool:
        """A replica says that it answers; whether every gateway has seen it, and asks it if it is
        to.
        """
        self._replicas.put(replica.replica, replica)
        has_heard = self._clock() >= self._hears_until
        gateways = self._gateways.all().values()
        return has_heard and all(replica.replica in each.replicas for each in gateways)

    async def withdraw(self, replica: int) -> None:
        """It leaves, and nobody is to come any more."""
        self._replicas.drop(replica)

    async def replicas(self) -> tuple[Announcement, ...]:
        """All that answer: at first it waits until they have had the time to say so."""
        await asyncio.sleep(self._hears_until - self._clock())
        return tuple(self._replicas.all().values())

    async def report(self, gateway: GatewayReport) -> View:
        """A gateway says that it is there, and asks who else is."""
        self._gateways.put(gateway.gateway, gateway)
        replicas = tuple(self._replicas.all().values())
        spent = {
            number: other.spent
            for number, other in self._gateways.all().items()
            if number != gateway.gateway
        }
        return View(replicas, self._failures.all(), self._killers(), spent)

    async def withdraw_gateway(self, gateway: int) -> None:
        self._gateways.drop(gateway)

    async def gateways(self, failures: Mapping[str, str]) -> tuple[GatewayReport, ...]:
        """For who watches over all: the gateways; ``failures`` are told to them."""
        for model, cause in failures.items():
            self._failures.put(model, cause)
        return tuple(self._gateways.all().values())

    def _killers(self) -> Mapping[str, Known]:
        """What the gateways that are there know together: each learns it, and tells it, too."""
        together: dict[str, dict[bytes, float]] = {}
        for report in self._gateways.all().values():
            for model, known in report.killers.items():
                together.setdefault(model, {}).update(known)
        return {model: newest(known) for model, known in together.items()}


class _Heard(Generic[Who, What]):
    """Recent messages, by sender."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[Who, tuple[What, float]] = {}

    def put(self, who: Who, what: What) -> None:
        self._said[who] = (what, self._clock())

    def drop(self, who: Who) -> None:
        self._said.pop(who, None)

    def all(self) -> dict[Who, What]:
        since = self._clock() - _SILENCE_SECONDS
        self._said = {who: said for who, said in self._said.items() if said[1] >= since}
        return {who: what for who, (what, _) in self._said.items()}
