"""The messages between a gateway and an engine's process, in msgpack.

Prompts of a batch begin alike, with their worked examples: what they share travels once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import msgspec
import numpy as np

from trueodds_service import caller, urgency, watching
from trueodds_service.caller import Caller
from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt, TokenScore
from trueodds_service.errors import Exhausted, Expired, PromptFault

Tokens: TypeAlias = tuple[int, ...]

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


class Prompt(msgspec.Struct, array_like=True):
    """A ``TokenPrompt`` whose first tokens are those of the ``beginning`` of that index."""

    beginning: int
    rest: Tokens
    continuations: tuple[Tokens, ...]
    identifier: Tokens
    top_tokens: int


class Ask(Message):
    """``alone``: nothing else may be in the engine with these prompts.

    ``tenant``, ``seconds_left`` and ``in_bulk`` are whose they are and how they hurry: relative,
    for clocks of two nodes differ.
    ``request`` is the id that logs know the caller's request by, ``traceparent`` what traces do.
    """

    number: int
    adapter: str | None
    alone: bool
    tenant: str
    seconds_left: float | None
    in_bulk: bool
    beginnings: list[Tokens]
    prompts: list[Prompt]
    request: str = ""
    traceparent: str = ""


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


class Score(msgspec.Struct, array_like=True, tag=True):
    """A ``TokenScore``."""

    continuations: list[float]
    greedy: list[bool]
    identifier: float
    top_tokens: tuple[tuple[int, float], ...]
    cached_tokens: int = 0


class Fault(msgspec.Struct, array_like=True, tag=True):
    """A ``PromptFault``."""

    message: str
    reason: str


class Answer(Message):
    number: int
    outcomes: list[Score | Fault]


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
    beginnings: list[Tokens] = [()]
    sent = []
    for place, prompt in enumerate(prompts):
        ids = prompt.prompt
        if ids[: len(beginnings[-1])] != beginnings[-1]:
            beginnings.append(())
        if not beginnings[-1] and place + 1 < len(prompts):
            shared = _shared(ids, prompts[place + 1].prompt)
            if shared >= _LEAST_SHARED:
                beginnings.append(ids[:shared])
        sent.append(
            Prompt(
                beginning=len(beginnings) - 1,
                rest=ids[len(beginnings[-1]) :],
                continuations=prompt.continuations,
                identifier=prompt.identifier,
                top_tokens=prompt.top_tokens,
            )
        )
    watcher = watching.current()
    return Ask(
        number,
        adapter,
        alone,
        caller.current().tenant,
        urgency.seconds_left(),
        urgency.is_in_bulk(len(prompts)),
        beginnings,
        sent,
        watcher.request_id,
        watcher.traceparent,
    )


@contextmanager
def as_asked(message: Ask) -> Iterator[None]:
    """What is done inside is for whoever asked, and hurries as he does."""
    of = Caller(tenant=message.tenant, name="", permissions=frozenset())
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
        TokenPrompt(
            prompt=message.beginnings[each.beginning] + each.rest,
            continuations=each.continuations,
            identifier=each.identifier,
            top_tokens=each.top_tokens,
        )
        for each in message.prompts
    ]


def answer(number: int, outcomes: Sequence[Outcome]) -> Answer:
    return Answer(number, [_sent(outcome) for outcome in outcomes])


def outcomes_of(message: Answer) -> list[Outcome]:
    return [_received(outcome) for outcome in message.outcomes]


def _sent(outcome: Outcome) -> Score | Fault:
    if isinstance(outcome, PromptFault):
        return Fault(outcome.message, outcome.reason)
    return Score(
        continuations=outcome.continuations.tolist(),
        greedy=outcome.greedy.tolist(),
        identifier=float(outcome.identifier),
        top_tokens=outcome.top_tokens,
        cached_tokens=outcome.cached_tokens,
    )


def _received(outcome: Score | Fault) -> Outcome:
    if isinstance(outcome, Fault):
        return PromptFault(outcome.message, reason=outcome.reason)
    return TokenScore(
        continuations=np.array(outcome.continuations),
        greedy=np.array(outcome.greedy),
        identifier=outcome.identifier,
        top_tokens=outcome.top_tokens,
        cached_tokens=outcome.cached_tokens,
    )


def _shared(one: Tokens, other: Tokens) -> int:
    """How many tokens two prompts have in common at their beginnings."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
