"""What of all that is asked an engine has at once.

An engine that is given everything works on it in long steps, in its own order. Here the rest
waits: lone questions before bulk, tenants in turn, and what would come too late not at all.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from trueodds_service import caller, urgency
from trueodds_service.engine.pace import Pace, mean
from trueodds_service.errors import Expired, Overloaded
from trueodds_service.fair import FairQueue

# How long after a lone question bulk makes room for the next one; and after a light question the
# others do.
_LINGER_SECONDS = 2.0
# How long others wait for a light call at most: it may be large, or never end.
_LIGHT_SECONDS = 2.0
# What others have in the engine at once while light calls come is this part of a full step, however
# short those are: steps of a few tokens each would leave next to nothing of it.
_PART_OF_STEP = 1 / 8
# Short steps that an engine has at once: it takes up the second as it ends the first. And full
# ones: it may plan the second while it computes the first. More would not make it faster.
_STEPS, _FULL_STEPS = 2, 3
# An engine gets more done in long steps. What it has of lone questions may last this part of what
# waits.
_PART_OF_WAIT = 1 / 4
# How much longer than is expected lone questions may wait, and be in the engine, by where in a step
# they come. To let fewer of them wait costs nothing: there are more.
_LONGEST_WAIT, _LONGEST_STAY = 1.15, 1.5

_Turn: TypeAlias = "asyncio.Future[None]"


class Rank(IntEnum):
    """Who goes first: the least, as vLLM's priorities."""

    LIGHT = 0
    LONE = 1
    BULK = 2


@dataclass(slots=True, eq=False)
class Call:
    """What a tenant asks at once, in one request to the engine or in several."""

    tenant: str
    rank: Rank
    others_wait: bool
    """Whether they did as it came."""
    tokens: int = 0
    """Those of its requests so far."""
    requests: int = 0
    """Those that wait or are in the engine."""


@dataclass(slots=True)
class Request:
    """What an engine is told of a request, and tells of it."""

    rank: Rank
    cached: int = 0
    """How many of its tokens it had not to compute."""


@dataclass(slots=True)
class _Line:
    """The requests of a rank: what waits, and how much of it is in the engine."""

    waiting: FairQueue[_Turn] = field(default_factory=FairQueue)
    asked: int = 0
    """Requests that wait or are in the engine; ``requests`` are in it."""
    requests: int = 0
    tokens: int = 0
    stay: float = 0.0
    """Seconds that a request is in the engine, on average."""

    def stayed(self, seconds: float, *, is_done: bool) -> None:
        """Of one whose caller has left it is known how long it was not enough."""
        self.stay = mean(self.stay, seconds if is_done else max(seconds, self.stay))


class HandOver:
    """Lets requests into an engine. Use it inside one event loop.

    Of lone questions and of bulk, each, ``most_requests`` are in the engine at once, and one of
    bulk in any case, so that it does not starve. While lone questions come, steps take about
    ``step_seconds``, and longer where many of them wait. How much that is, is measured. A step of
    the engine's computes at most ``full_tokens``, and more than a few of those it never has.

    A call is light whose tenant has no other here, beside others who wait. It goes before them,
    and nothing of theirs enters while it lasts. While such come, the others have no more tokens in
    the engine at once than a light call, or an eighth of a full step: then a step of theirs takes
    about as long as a light one's, and a light one waits for the step that is on and takes its own,
    twice what it takes by itself. And they have as many in turn, so that nobody gains by asking for
    much in calls that are light. A call that asks for more than a full step, or takes longer than
    ``_LIGHT_SECONDS``, goes on as a lone one.
    """

    def __init__(
        self,
        most_requests: int,
        step_seconds: float,
        full_tokens: float = math.inf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most_requests
        self._clock = clock
        self._light, self._lone, self._bulk = _Line(), _Line(), _Line()
        self._pace = Pace(step_seconds, full_tokens, clock)
        self._asked_at = self._light_at = -_LINGER_SECONDS
        # How many calls each tenant has here, and how many are light.
        self._present: Counter[str] = Counter()
        self._light_calls = 0
        # The tokens of the last light call.
        self._room = 0
        # How many others may enter before the next light call ends, and who of them was the last.
        self._credit, self._entered_last = 0, self._bulk

    @contextmanager
    def call(self, *, in_bulk: bool) -> Iterator[Call]:
        """What the caller, as the context says, asks of the engine inside."""
        tenant, others_wait = caller.current().charged, self._somebody_waits
        is_light = tenant not in self._present and (others_wait or self._is_light_around)
        rank = Rank.BULK if in_bulk else Rank.LIGHT if is_light else Rank.LONE
        call = Call(tenant, rank, others_wait)
        self._present[tenant] += 1
        ending = self._begin_light(call) if rank is Rank.LIGHT else None
        try:
            yield call
        finally:
            self._present[tenant] -= 1
            if not self._present[tenant]:
                del self._present[tenant]
            if ending is not None:
                ending.cancel()
                self._end_light(call)

    def _begin_light(self, call: Call) -> asyncio.TimerHandle:
        self._light_calls += 1
        return asyncio.get_running_loop().call_later(_LIGHT_SECONDS, self._end_light, call)

    def _end_light(self, call: Call) -> None:
        """What is left of it is lone. Does nothing where that is so already."""
        if call.rank is not Rank.LIGHT:
            return
        call.rank = Rank.LONE
        self._light_calls -= 1
        self._credit = call.tokens
        # The first of many at once was not light.
        if call.others_wait and call.tenant not in self._present:
            self._light_at, self._room = self._clock(), call.tokens
        self._let_in()

    @asynccontextmanager
    async def turn(self, call: Call, tokens: int) -> AsyncIterator[Request]:
        """Inside, a request of ``tokens`` tokens is in the engine.

        It hurries as the context says. Raises Expired where its turn has come too late.
        """
        if call.tokens and call.tokens + tokens > self._pace.full_tokens:
            self._end_light(call)
        call.tokens += tokens
        request = Request(call.rank)
        line = (self._light, self._lone, self._bulk)[call.rank]
        if line is not self._bulk:
            self._asked_at = self._clock()
        with self._counted(call, line):
            if line.waiting or not self._fits(line, tokens):
                await self._wait(call, line, tokens)
            else:
                self._check_in_time(call, line)
                self._enter(line, tokens)
            entered, done = self._clock(), 0
            try:
                yield request
                done = tokens
            finally:
                line.requests -= 1
                line.tokens -= tokens
                line.stayed(self._clock() - entered, is_done=bool(done))
                if line is not self._bulk:
                    self._asked_at = self._clock()
                self._pace.left(done, request.cached, others_wait=self._somebody_waits)
                self._let_in()

    @staticmethod
    @contextmanager
    def _counted(call: Call, line: _Line) -> Iterator[None]:
        call.requests += 1
        line.asked += 1
        try:
            yield
        finally:
            call.requests -= 1
            line.asked -= 1

    def check(self, *, in_bulk: bool) -> None:
        """Raises Overloaded where what is asked now would have its turn after its deadline, or its
        answer, as far as it is known how long that takes; and Expired where that has passed.
        """
        left = urgency.seconds_left()
        if left is None:
            return
        if left <= 0:
            raise Expired("the deadline passed before the engine was asked")
        line = self._bulk if in_bulk else self._lone
        ahead = line.waiting.ahead_of(caller.current().charged) + self._light.waiting.size
        wait = self._pace.seconds(ahead + (self._lone.waiting.size if in_bulk else 0))
        if not in_bulk and (ahead or line.requests):
            wait = _LONGEST_WAIT * wait + _LONGEST_STAY * line.stay
        if wait > left:
            raise Overloaded(wait, left)

    @property
    def _somebody_waits(self) -> bool:
        return any(line.waiting for line in (self._light, self._lone, self._bulk))

    async def _wait(self, call: Call, line: _Line, tokens: int) -> None:
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.waiting.add(call.tenant, turn, tokens)
        self._let_in()  # it may be before those for whom there was no room
        try:
            await turn
        except asyncio.CancelledError:
            line.waiting.remove(call.tenant, turn)
            if not turn.cancelled():  # let in at this very moment
                self._leave(line, tokens)
            self._let_in()
            raise
        try:
            self._check_in_time(call, line)
        except Expired:
            self._leave(line, tokens)
            self._let_in()
            raise

    @staticmethod
    def _check_in_time(call: Call, line: _Line) -> None:
        """Raises Expired where the answer would come too late: nothing is worked on in vain.

        With no other call there or behind it, it is seen anew how long that takes.
        """
        left, has_others = urgency.seconds_left(), line.asked > call.requests
        if left is not None and (left <= 0 or (has_others and left < line.stay)):
            raise Expired("the deadline passes before the engine has answered")

    def _let_in(self) -> None:
        lines = [self._light, self._lone, self._bulk]
        if self._is_light_around and self._entered_last is self._lone:
            lines[1:] = self._bulk, self._lone  # where there is room for one, they take turns
        for line in lines:
            while line.waiting:
                turn, tokens = line.waiting.first()
                if not turn.cancelled() and not self._fits(line, tokens):
                    break
                line.waiting.take()
                if not turn.cancelled():
                    self._enter(line, tokens)
                    turn.set_result(None)

    def _fits(self, line: _Line, tokens: int) -> bool:
        if line.requests >= self._most:
            return False
        short = _STEPS * self._pace.step_tokens
        if line is self._light:
            return line.requests < _STEPS or line.tokens + tokens <= short
        if self._light_calls and self._credit <= 0:
            return False
        if self._is_light_around:
            requests = self._lone.requests + self._bulk.requests
            return (
                not requests or self._lone.tokens + self._bulk.tokens + tokens <= self._others_room
            )
        full = max(short, _FULL_STEPS * self._pace.full_tokens)
        if line is self._bulk:
            return not line.requests or self._bulk_fits(tokens, full)
        room = max(short, min(_PART_OF_WAIT * line.waiting.size, full))
        # The engine always has a next one.
        return line.requests < _STEPS or line.tokens + tokens <= room

    def _bulk_fits(self, tokens: int, full: float) -> bool:
        """Beside other bulk."""
        tokens += self._bulk.tokens
        if self._clock() - self._asked_at >= _LINGER_SECONDS and not self._lone.requests:
            return tokens <= full
        return not self._lone.waiting and self._lone.tokens + tokens <= self._pace.step_tokens

    @property
    def _others_room(self) -> float:
        """Tokens of others that are in the engine at once while light calls come."""
        full = self._pace.least_full_tokens
        return self._room if math.isinf(full) else max(self._room, _PART_OF_STEP * full)

    @property
    def _is_light_around(self) -> bool:
        return self._clock() - self._light_at < _LINGER_SECONDS

    def _enter(self, line: _Line, tokens: int) -> None:
        self._pace.entered()
        line.requests += 1
        line.tokens += tokens
        if line is not self._light:
            self._credit -= tokens
            self._entered_last = line

    def _leave(self, line: _Line, tokens: int) -> None:
        """It was let in, and nothing was asked of the engine."""
        line.requests -= 1
        line.tokens -= tokens
        self._pace.left(0, 0, others_wait=self._somebody_waits)
