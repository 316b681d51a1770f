"""The messages between a gateway and an engine's process, in msgpack.

Prompts of a batch begin alike, with their worked examples: what they share travels once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec

from trueodds_service import caller, urgency, watching
from trueodds_service.caller import Caller
from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt, Tokens, TokenScore
from trueodds_service.errors import Exhausted, Expired, PromptFault

LINK_VERSION = 1
"""One more with every change of a message that the other end could misread, new fields at the end
apart: gateways ask only replicas of their own version."""

Run: TypeAlias = tuple[Tokens, list[TokenPrompt]]
"""Prompts in a row that begin alike: the tokens that they share, and each without them."""

# A shorter beginning is not worth naming.
_LEAST_SHARED = 16


class Message(msgspec.Struct, array_like=True, tag=True):
    """Each travels as an array of its class's name and its fields."""


class Greeting(Message):
    """A gateway's first message, answered with a ``Hello`` or ``Closing``."""


class Hello(Message):
    info: EngineInfo


class Closing(Message):
    """Instead of a ``Hello``, or after one: who has no call under way leaves, and nobody comes."""


class Beat(Message):
    """Sent both ways, again and again: who says nothing for some time is taken for gone."""


class Forgotten(Message):
    """One that said nothing for too long, or what cannot be read, has no call under way now."""


class Leaving(Message):
    """A gateway's last message: nobody waits for its calls any more."""


class Ask(Message):
    """``alone``: nothing else may be in the engine with these prompts.

    ``tenant`` and ``own_tenant`` are a ``Caller``'s; ``seconds_left`` and ``in_bulk`` are how they
    hurry: relative, for clocks of two nodes differ.
    ``request`` is the id that logs know the caller's request by, ``traceparent`` what traces do.
    """

    number: int
    adapter: str | None
    alone: bool
    tenant: str
    seconds_left: float | None
    in_bulk: bool
    runs: list[Run]
    request: str = ""
    traceparent: str = ""
    own_tenant: str | None = None

    @property
    def prompts(self) -> int:
        """How many there are."""
        return sum(len(prompts) for _, prompts in self.runs)


class Cancel(Message):
    number: int


class Busy(Message):
    """A call is to be made elsewhere: another one has the engine to itself, or waits for it, or
    the engine's process cannot wait for the call's end.
    """

    number: int


class Free(Message):
    """Nobody has the engine to himself any more."""


class Started(Message):
    """A call that has to be alone is the next thing in the engine: once ``Go`` is back, so that a
    gateway that has not heard of it knows that it was not.
    """

    number: int


class Go(Message):
    number: int


class Fault(Message):
    """A ``PromptFault``."""

    message: str
    reason: str


class Answer(Message):
    number: int
    outcomes: list[TokenScore | Fault]


class Failed(Message):
    """A call failed as a whole, by an error of the class ``kind``."""

    number: int
    kind: str


class Refused(Message):
    """A call was not worked on: an ``Exhausted``, or where it is not to be tried again after
    ``retry_seconds`` an ``Expired``.
    """

    number: int
    message: str
    reason: str
    retry_seconds: float | None


FromGateway: TypeAlias = Greeting | Ask | Go | Cancel | Beat | Leaving
FromEngine: TypeAlias = (
    Hello | Closing | Busy | Free | Started | Answer | Failed | Refused | Forgotten | Beat
)

encode = msgspec.msgpack.Encoder().encode
decode_from_gateway = msgspec.msgpack.Decoder(FromGateway).decode
decode_from_engine = msgspec.msgpack.Decoder(FromEngine).decode


def ask(
    number: int, prompts: Sequence[TokenPrompt], adapter: str | None, *, alone: bool = False
) -> Ask:
    """For the caller, and with the urgency, of the context."""
    watcher, who = watching.current(), caller.current()
    return Ask(
        number,
        adapter,
        alone,
        who.tenant,
        urgency.seconds_left(),
        urgency.is_in_bulk(len(prompts)),
        _runs(prompts),
        watcher.request_id,
        watcher.traceparent,
        who.own_tenant,
    )


@contextmanager
def as_asked(message: Ask) -> Iterator[None]:
    """What is done inside is for whoever asked, and hurries as he does."""
    of = Caller(message.tenant, "", frozenset(), message.own_tenant)
    with (
        caller.acting_for(of),
        urgency.hurrying(message.seconds_left, in_bulk=message.in_bulk),
    ):
        yield


def refused(number: int, error: Exhausted | Expired) -> Refused:
    retry_seconds = error.retry_seconds if isinstance(error, Exhausted) else None
    return Refused(number, error.message, error.reason, retry_seconds)


def refusal_of(message: Refused) -> Exhausted | Expired:
    if message.retry_seconds is None:
        return Expired(message.message)
    return Exhausted(message.message, reason=message.reason, retry_seconds=message.retry_seconds)


def prompts_of(message: Ask) -> list[TokenPrompt]:
    return [
        each.after(shared + each.prompt) if shared else each
        for shared, prompts in message.runs
        for each in prompts
    ]


def answer(number: int, outcomes: Sequence[Outcome]) -> Answer:
    """Raises for what is no outcome: the other end could not read it."""
    return Answer(
        number,
        [
            each if isinstance(each, TokenScore) else Fault(each.message, each.reason)
            for each in outcomes
        ],
    )


def outcomes_of(message: Answer) -> list[Outcome]:
    return [
        PromptFault(each.message, reason=each.reason) if isinstance(each, Fault) else each
        for each in message.outcomes
    ]


def _runs(prompts: Sequence[TokenPrompt]) -> list[Run]:
    runs: list[Run] = [((), [])]
    for place, prompt in enumerate(prompts):
        ids, shared = prompt.prompt, runs[-1][0]
        if not shared or ids[: len(shared)] != shared:
            shared = _shared(ids, prompts[place + 1].prompt) if place + 1 < len(prompts) else ()
            if shared != runs[-1][0]:
                runs.append((shared, []))
        runs[-1][1].append(prompt.after(ids[len(shared) :]) if shared else prompt)
    return runs


def _shared(one: Tokens, other: Tokens) -> Tokens:
    """What two prompts begin with alike, where it is worth naming."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low] if low >= _LEAST_SHARED else ()
