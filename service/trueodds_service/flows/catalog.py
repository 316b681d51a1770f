"""The models that this process can answer for."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from trueodds_service.caller import current
from trueodds_service.engine.base import Engine, EngineInfo
from trueodds_service.errors import NotFound, NotReady, Unavailable
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.tokenizer import PromptTokenizer
from trueodds_service.store.records import Scope

_REVISION_DIGITS = 16
# What joins models' names to that of a cascade that has no other; no configured name has it.
_THEN = "+"

# How long after the loss of an engine callers wait for its replacement, which mostly takes less:
# half of the time that clients give an answer.
_PATIENCE_SECONDS = 60.0
# A quarter of the requests that a gateway takes at once by default: the others are for the models
# that answer.
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model whose engine answers."""

    tokenizer: PromptTokenizer
    engine: Engine
    info: EngineInfo
    max_prompt_tokens: int


class State(Enum):
    """What a model is doing; by name those of the contract."""

    STARTING = auto()
    READY = auto()
    LOST = auto()
    FAILED = auto()


@dataclass(slots=True)
class ModelEntry:
    """A model of the configuration. ``served`` is None while it does not answer.

    ``base`` is the model over whose weights an adapter runs. ``price`` is what a token costs that
    its engine computes. ``min_option_mass`` is what the options of its decisions have to hold,
    where a request does not say.
    """

    name: str
    revision: str
    tokenizer_revision: str
    teacher: str | None
    base: str | None = None
    price: float = 1.0
    min_option_mass: float = 0.0
    served: ServedModel | None = None
    # Why it does not answer, while it does not.
    _absence: State = State.STARTING
    _cause: str = ""
    _lost_at: float = 0.0
    _waiting: int = 0
    # Whether there is nothing to wait for: cleared only while the engine is being replaced.
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> State:
        return self._absence if self.served is None else State.READY

    @property
    def cause(self) -> str:
        """Why it is not ready, where there is more to say than the state; else empty."""
        return self._cause if self.served is None else ""

    def scope(self, task: str, reading: str, options: int) -> Scope:
        """The current caller's, of what is asked now; ``reading`` is ``Reading.key``."""
        tenant = current().tenant
        return Scope(self.name, self.revision, task, reading, FORMAT_VERSION, options, tenant)

    def came_up(self, served: ServedModel) -> None:
        """From now on it answers."""
        self.served = served
        self._settled.set()

    def lost(self) -> None:
        """Its engine is gone, and is being replaced."""
        self.served, self._absence, self._cause = None, State.LOST, ""
        self._lost_at = time.monotonic()
        self._settled.clear()

    def failed(self, cause: str) -> None:
        """It cannot come up as it is; ``cause`` completes "models/x has failed: …"."""
        self.served, self._absence, self._cause = None, State.FAILED, cause
        self._settled.set()

    async def _wait(self) -> None:
        """Until it is no longer being replaced, or that takes too long, or too many wait."""
        if self._waiting >= _MOST_WAITING:
            return
        self._waiting += 1
        left = self._lost_at + _PATIENCE_SECONDS - time.monotonic()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    while self.state is State.LOST:
                        await self._settled.wait()
        finally:
            self._waiting -= 1

    async def ready(self) -> ServedModel:
        """Waits while its engine is replaced, as the calls do that the engine was lost with.

        Raises Unavailable while it starts, where the replacement does not come, and where many
        wait for it already; NotReady if it has failed.
        """
        if self.state is State.LOST:
            await self._wait()
        if self.served is not None:
            return self.served
        name = f"models/{self.name}"
        if self._absence is State.FAILED:
            raise NotReady(f"{name} has failed: {self._cause}", reason="MODEL_FAILED")
        if self._absence is State.LOST:
            raise Unavailable(
                f"the engine of {name} was lost and is being replaced",
                reason="ENGINE_LOST",
                retry_seconds=2.0,
            )
        raise Unavailable(f"{name} is starting", reason="MODEL_STARTING", retry_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Cascade:
    """A name under which two models or more answer in turn, each where it is sure enough, and the
    last the rest.
    """

    name: str
    models: tuple[ModelEntry, ...]

    @property
    def revision(self) -> str:
        """That of its models together: where one is replaced, no threshold holds any longer."""
        parts = [(each.name, each.revision) for each in self.models]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:_REVISION_DIGITS]

    @property
    def state(self) -> State:
        return self._least_ready.state

    @property
    def cause(self) -> str:
        """As ``ModelEntry.cause``: that of the model that is not ready."""
        return self._least_ready.cause

    @property
    def last(self) -> ModelEntry:
        """What answers all that the ``others`` pass on."""
        return self.models[-1]

    @property
    def others(self) -> tuple[ModelEntry, ...]:
        """Those before the last, which answer where a threshold of theirs is reached."""
        return self.models[:-1]

    @property
    def _least_ready(self) -> ModelEntry:
        return next((each for each in self.models if each.state is not State.READY), self.last)

    def scope(self, task: str, reading: str, options: int) -> Scope:
        """As ``ModelEntry.scope``."""
        return replace(
            self.last.scope(task, reading, options), model=self.name, revision=self.revision
        )


class Catalog:
    """The configured models, by name, and the cascades that are made of them."""

    def __init__(self, entries: Mapping[str, ModelEntry], cascades: Sequence[Cascade] = ()) -> None:
        self._entries = dict(entries)
        self._cascades = {each.name: each for each in cascades}

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    def states(self) -> Mapping[str, State]:
        """The state of each model, and of each cascade."""
        return {each.name: each.state for each in (*self, *self.cascades)}

    @property
    def cascades(self) -> Sequence[Cascade]:
        return tuple(self._cascades.values())

    def cascade(self, name: str) -> Cascade | None:
        """The cascade of a name, configured or made of its models' names, ``a+b``; else None.

        Raises NotFound where one of these is no model here, and NotReady where it is a cascade.
        """
        if _THEN not in name:
            return self._cascades.get(name)
        return Cascade(name, tuple(self.find(each) for each in name.split(_THEN)))

    def find(self, name: str) -> ModelEntry:
        """Raises NotFound, and NotReady for a cascade, which has no scores of its own."""
        if (cascade := self.cascade(name)) is not None:
            wanted = ", ".join(f"models/{each.name}" for each in cascade.models)
            raise NotReady(
                f"models/{name} is a cascade: one of its models is wanted here: {wanted}",
                reason="IS_CASCADE",
            )
        entry = self._entries.get(name)
        if entry is None:
            raise NotFound(f"there is no models/{name}", reason="MODEL_NOT_FOUND")
        return entry
