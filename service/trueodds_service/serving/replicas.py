"""A model's replicas as one engine: prompts that begin alike go to the same one."""

import asyncio
import itertools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence

from trueodds_service import urgency
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.edge.metrics.state import Load
from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt
from trueodds_service.engine.link.connection import Busy, Connection, EngineFault, NotSent
from trueodds_service.errors import Exhausted, PromptFault, Unavailable
from trueodds_service.serving import nodes
from trueodds_service.serving.directory import Announcement
from trueodds_service.serving.killers import Killers
from trueodds_service.serving.membership import Member, Membership
from trueodds_service.serving.recent_overloads import RecentOverloads
from trueodds_service.serving.routing import Router
from trueodds_service.serving.suspects import Acquitted, Suspect, Suspects, killed
from trueodds_service.watching import Stage, stage

_log = logging.getLogger(__name__)

# How long a request waits for a replica: half of the time that clients give an answer.
_PATIENCE_SECONDS = 60.0
# How long a request whose engine died waits until it is clear which prompt killed the engine.
_TRIAL_SECONDS = 600.0
# How long suspected prompts wait for a replica to try them in: as long as the largest models load.
# It has to have come since: none that has outlived the dead one is put at risk.
_REPLACEMENT_SECONDS = 600.0
# How long it may take to find out whether an engine's node is gone with it.
_GONE_SECONDS = 30.0


class Replicas:
    """The replicas of a model, each with the engine of the model and of its adapters."""

    def __init__(self, model: str, node: str, revisions: Mapping[str, str] | None = None) -> None:
        """``revisions`` are those of the model and of its adapters, by name: what is stamped on
        answers, so that no replica is asked whose weights are others.
        """
        self._model = model
        self._membership = Membership(model, node, revisions or {})
        self._router = Router()
        self.killers = Killers()
        self._suspects = Suspects(self._try_alone, self.killers)
        # How many replicas had come before the last call of which one died.
        self._before_death = 0
        self._overloads = RecentOverloads()
        self._under_way = self._waiting = 0
        self.info = EngineInfo(name="", version="", dtype="", max_tokens=0, vocabulary=None)

    def learn(self, announced: Collection[Announcement]) -> None:
        """Takes up those of the model's replicas that are new here."""
        self._membership.learn([each for each in announced if each.model == self._model])

    @property
    def seen(self) -> Collection[int]:
        """The ids of those that are asked, and of those that never will be."""
        return {*self._membership.members, *self._membership.passed_over}

    def takes(self, announced: Announcement) -> bool:
        """Whether a replica of the model is to be asked, by what it says of itself."""
        return self._membership.takes(announced)

    @property
    def asked(self) -> Collection[int]:
        """The ids of those that are asked."""
        return self._membership.members.keys()

    async def connected(self) -> EngineInfo:
        """Waits until one answers."""
        while (member := self._membership.newest) is None:
            await self._membership.changed()
        self.info = member.connection.info
        return self.info

    async def wait_lost(self) -> None:
        """Waits until none answers."""
        while self._membership.members:
            await self._membership.changed()

    async def score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        """As ``Engine.score``. Raises Unavailable when no replica comes in time."""
        outcomes: list[Outcome] = [killed() for _ in prompts]
        allowed, suspected = self._sorted(prompts, adapter)
        until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        calls = [self._scored([prompts[place] for place in allowed], adapter, until)]
        if suspected:
            calls.append(self._tried([*suspected.values()]))
        try:
            found = await gather_or_cancel(calls)
        except TimeoutError:
            raise Unavailable(
                f"the engine of models/{self._model} was lost",
                reason="ENGINE_LOST",
                retry_seconds=5.0,
            ) from None
        places = itertools.chain(allowed, suspected)
        for place, outcome in zip(places, itertools.chain(*found), strict=True):
            outcomes[place] = outcome
        return outcomes

    def check_room(self, prompts: int) -> None:
        """As ``Engine.check_room``: by what the replicas have said in the last moments."""
        self._overloads.check(self.asked, in_bulk=urgency.is_in_bulk(prompts))

    def _refused(self, member: Member, error: Exhausted, *, in_bulk: bool) -> None:
        left = urgency.seconds_left()
        if error.reason == "OVERLOADED" and left is not None:
            work = left + error.retry_seconds
            self._overloads.note(member.announcement.replica, work, in_bulk=in_bulk)

    @property
    def load(self) -> Load:
        """What metrics tell."""
        members = self._membership
        return Load(len(members.members), self._under_way, self._waiting, members.lost)

    @property
    def suspected_nodes(self) -> set[str]:
        """Where engines have died whose prompts wait for a trial."""
        return self._suspects.nodes

    def acquit(self, nodes: Collection[str]) -> None:
        """These nodes are gone: no prompt is to blame for what was lost with them."""
        self._suspects.acquit(nodes)

    def _sorted(
        self, prompts: Sequence[TokenPrompt], adapter: str | None
    ) -> tuple[list[int], dict[int, Suspect]]:
        """The places of those that may be asked, and the suspects by place; killers are neither."""
        allowed: list[int] = []
        suspected: dict[int, Suspect] = {}
        for place, prompt in enumerate(prompts):
            if (suspect := self._suspects.held(prompt, adapter)) is not None:
                suspected[place] = suspect
            elif not self.killers.holds(prompt, adapter):
                allowed.append(place)
        return allowed, suspected

    def close(self) -> None:
        """Nobody asks any more."""
        self._suspects.close()
        self._membership.close()

    async def _scored(
        self, prompts: Sequence[TokenPrompt], adapter: str | None, until: float
    ) -> list[Outcome]:
        """Raises TimeoutError when no replica is free by ``until``, in the event loop's time."""
        if not prompts:
            return []
        self._waiting += len(prompts)
        try:
            with stage(Stage.QUEUE):
                free = await self._free(until)
        finally:
            self._waiting -= len(prompts)
        shares = self._router.assign(prompts, free)
        try:
            found = await gather_or_cancel(
                self._share(
                    free[share.replica], [prompts[place] for place in share.places], adapter, until
                )
                for share in shares
            )
        finally:
            for share in shares:
                self._router.done(share)
        outcomes: dict[int, Outcome] = dict(
            zip(
                itertools.chain(*(share.places for share in shares)),
                itertools.chain(*found),
                strict=True,
            )
        )
        return [outcomes[place] for place in range(len(prompts))]

    async def _free(self, until: float) -> dict[int, Member]:
        async with asyncio.timeout_at(until):
            while not (free := self._membership.free):
                await self._membership.changed()
            return free

    async def _share(
        self, member: Member, prompts: Sequence[TokenPrompt], adapter: str | None, until: float
    ) -> list[Outcome]:
        """What a replica, or whichever takes its place, says to some of the prompts."""
        try:
            return await self._ask(member.connection, prompts, adapter)
        except (NotSent, Busy):
            return await self._scored(prompts, adapter, until)
        except Exhausted as error:
            self._refused(member, error, in_bulk=urgency.is_in_bulk(len(prompts)))
            raise
        except ConnectionError:
            _log.warning(
                "models/%s: its engine died with %d prompts of a call", self._model, len(prompts)
            )
        return await self._tried(self._suspects.take(prompts, adapter, member.announcement.node))

    async def _tried(self, suspects: Sequence[Suspect]) -> list[Outcome]:
        """What becomes of the suspects of a call. Raises TimeoutError."""
        async with asyncio.timeout(_TRIAL_SECONDS):
            found = [await suspect.wait() for suspect in suspects]
        acquitted = [
            each for each, what in zip(suspects, found, strict=True) if isinstance(what, Acquitted)
        ]
        again: Iterator[Outcome] = iter(())
        if acquitted:
            until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
            prompts = [suspect.prompt for suspect in acquitted]
            again = iter(await self._scored(prompts, acquitted[0].adapter, until))
        return [next(again) if isinstance(what, Acquitted) else what for what in found]

    async def _try_alone(
        self, prompts: Sequence[TokenPrompt], adapter: str | None
    ) -> list[Outcome]:
        """For the suspects. Raises ConnectionError when the engine dies of them, and TimeoutError
        when none comes.
        """
        with urgency.hurrying(None):  # others ask for them as well
            return await self._alone(prompts, adapter)

    async def _alone(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        # A second node that goes with its engine is no accident.
        may_be_the_nodes = True
        while True:
            member = await self._proving_ground()
            if not prompts:
                return []
            if member.connection.is_busy:  # with somebody else's suspects
                await self._membership.changed()
                continue
            arrivals = self._membership.arrivals
            try:
                return await self._ask(member.connection, prompts, adapter, alone=True)
            except (NotSent, Busy):
                continue
            except ConnectionError:
                if may_be_the_nodes and await _is_gone(member.announcement.node):
                    may_be_the_nodes = False
                    continue
                self._before_death = max(self._before_death, arrivals)
                raise

    async def _ask(
        self,
        connection: Connection,
        prompts: Sequence[TokenPrompt],
        adapter: str | None,
        *,
        alone: bool = False,
    ) -> list[Outcome]:
        """What the replica says. Raises ConnectionError when it is gone, and Busy.

        A call that it fails at as a whole is made again in halves, until the prompt that it fails
        at is alone.
        """
        arrivals = self._membership.arrivals
        self._under_way += len(prompts)
        try:
            outcomes = await connection.score(prompts, adapter, alone=alone)
            if len(outcomes) == len(prompts):
                return outcomes
            _log.error("an engine answered %d prompts with %d scores", len(prompts), len(outcomes))
        except NotSent:
            raise
        except ConnectionError:
            if not alone:
                self._before_death = max(self._before_death, arrivals)
            raise
        except EngineFault:
            pass  # the process has logged the cause
        finally:
            self._under_way -= len(prompts)
        if len(prompts) == 1:
            return [PromptFault.of_engine()]
        half = len(prompts) // 2
        return [
            *await self._ask(connection, prompts[:half], adapter, alone=alone),
            *await self._ask(connection, prompts[half:], adapter, alone=alone),
        ]

    async def _proving_ground(self) -> Member:
        """Where suspects are tried: a replica that has come since they were asked, so that those
        that have outlived the dead one go on. Raises TimeoutError where none comes.
        """
        async with asyncio.timeout(_REPLACEMENT_SECONDS):
            while (member := self._membership.newest_since(self._before_death)) is None:
                await self._membership.changed()
            return member


async def _is_gone(node: str) -> bool:
    """False where nobody knows."""
    try:
        async with asyncio.timeout(_GONE_SECONDS):
            return await asyncio.to_thread(nodes.is_gone, node)
    except TimeoutError:
        return False


class ServedReplicas:
    """Replicas as the ``Engine`` of a model, or of an adapter by its name."""

    def __init__(self, replicas: Replicas, adapter: str | None = None) -> None:
        self._replicas = replicas
        self._adapter = adapter

    @property
    def info(self) -> EngineInfo:
        return self._replicas.info

    async def connected(self) -> EngineInfo:
        """Waits until a replica answers."""
        return await self._replicas.connected()

    async def wait_lost(self) -> None:
        """Waits until none answers."""
        await self._replicas.wait_lost()

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[Outcome]:
        """Asks the model or the adapter that it was made for, whatever ``adapter`` says."""
        with urgency.settled(len(prompts)):
            return await self._replicas.score(prompts, self._adapter)

    def check_room(self, prompts: int) -> None:
        self._replicas.check_room(prompts)

    async def check(self) -> None:
        """The engines are watched where they are."""

    def close(self) -> None:
        self._replicas.close()
