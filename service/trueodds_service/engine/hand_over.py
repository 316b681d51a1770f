"""What of all that is asked an engine has at once.

An engine that is given everything works on it in long steps, in its own order. Here the rest
waits: lone questions before bulk, tenants in turn, and what would come too late not at all.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from trueodds_service import caller, urgency
from trueodds_service.engine.pace import Pace
from trueodds_service.errors import Expired, Overloaded
from trueodds_service.fair import FairQueue

# How long after a lone question bulk makes room for the next one; and after a light question the
# others do.
_LINGER_SECONDS = 2.0
# Steps of lone questions that an engine has at once: it takes up the second as it ends the first.
# And of bulk that is by itself: a lone question that comes may have to wait for as much.
_STEPS, _BULK_STEPS = 2, 10
# An engine gets more done in long steps. Those of lone questions may last this part of what waits,
# and at most as long as this many short steps: a newcomer waits for the one that is on.
_PART_OF_WAIT, _LONGER = 1 / 8, 5
# How long light questions are to take: this many times as long as by themselves, or this part of a
# short step where that is more. At each of them, what the others have in the engine is made less or
# more, within these factors, until that holds.
_TIMES_ALONE, _PART_OF_STEP = 2, 1 / 4
_LESS, _MORE = 0.5, 1.5

_Turn: TypeAlias = "asyncio.Future[None]"


@dataclass(slots=True)
class _Line:
    """Lone questions, or bulk: what waits, and how much of it is in the engine."""

    waiting: FairQueue[_Turn] = field(default_factory=FairQueue)
    requests: int = 0
    tokens: int = 0


class HandOver:
    """Lets requests into an engine. Use it inside one event loop.

    Of lone questions and of bulk, each, ``most_requests`` are in the engine at once, and one of
    bulk in any case, so that it does not starve. While lone questions come, steps take about
    ``step_seconds``, and longer where many of them wait. How much that is, is measured; until it
    is, a step has ``step_tokens``.

    A question is light whose tenant has nothing else under way, beside others who wait. While such
    come, the others have so little in the engine that a light one takes about twice as long as it
    would by itself.
    """

    def __init__(
        self,
        most_requests: int,
        step_seconds: float,
        step_tokens: float = math.inf,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most_requests
        self._step_seconds = step_seconds
        self._first_tokens = step_tokens
        self._clock = clock
        self._hurried, self._bulk = _Line(), _Line()
        self._pace = Pace(step_seconds, step_tokens, clock)
        self._asked_at = self._light_at = -_LINGER_SECONDS
        # How many lone questions each tenant has here.
        self._present: Counter[str] = Counter()
        self._entries = 0
        # Tokens that are in the engine at once while light questions come, and since when.
        self._room, self._room_since = math.inf, 0.0

    @asynccontextmanager
    async def turn(self, tokens: int, *, in_bulk: bool) -> AsyncIterator[None]:
        """Inside, a request of ``tokens`` tokens is in the engine.

        It belongs to the caller, and hurries, as the context says. Raises Expired where its turn
        has come too late.
        """
        tenant = caller.current().tenant
        if in_bulk:
            async with self._inside(self._bulk, tenant, tokens):
                yield
            return
        self._asked_at = began = self._clock()
        is_only_one = not self._present[tenant]
        self._present[tenant] += 1
        done = False
        try:
            async with self._inside(self._hurried, tenant, tokens):
                yield
            done = True
        finally:
            self._present[tenant] -= 1
            if not self._present[tenant]:
                del self._present[tenant]
                if done and is_only_one and self._others_wait(tenant):
                    self._light_question(began)

    @asynccontextmanager
    async def _inside(self, line: _Line, tenant: str, tokens: int) -> AsyncIterator[None]:
        if line.waiting or not self._fits(line, tokens):
            await self._wait(line, tenant, tokens)
        else:
            self._check_in_time(beside=line.requests)
            self._enter(line, tokens)
        entered, done = self._clock(), 0
        entries = self._entries if self._hurried.requests + self._bulk.requests == 1 else None
        try:
            yield
            done = tokens
        finally:
            line.requests -= 1
            line.tokens -= tokens
            if line is self._hurried:
                self._asked_at = self._clock()
                if done:
                    stay = self._asked_at - entered
                    self._pace.stayed(stay, alone=self._entries == entries)
            self._pace.left(done, others_wait=self._somebody_waits)
            self._let_in()

    def check(self, *, in_bulk: bool) -> None:
        """Raises Overloaded where what is asked now would have its turn after its deadline.

        And Expired where that has passed.
        """
        left = urgency.seconds_left()
        if left is None:
            return
        if left <= 0:
            raise Expired("the deadline passed before the engine was asked")
        line = self._bulk if in_bulk else self._hurried
        ahead = line.waiting.ahead_of(caller.current().tenant)
        wait = self._pace.seconds(ahead + (self._hurried.waiting.size if in_bulk else 0))
        if wait > left:
            raise Overloaded(wait, left)

    @property
    def _somebody_waits(self) -> bool:
        return bool(self._hurried.waiting or self._bulk.waiting)

    def _others_wait(self, tenant: str) -> bool:
        return any(
            line.waiting.owners > (tenant in line.waiting) for line in (self._hurried, self._bulk)
        )

    def _light_question(self, began: float) -> None:
        """One has been answered that came then."""
        now = self._clock()
        if not self._is_light_around:
            # To begin with: too little where a step takes a while whatever it holds.
            self._room = min(self._room, self._pace.tokens(self._pace.stay_alone))
        self._light_at = now
        # What came before the room was changed tells nothing of it.
        if now > began >= self._room_since:
            shortest = _PART_OF_STEP * self._step_seconds
            wanted = max(_TIMES_ALONE * self._pace.stay_alone, shortest)
            change = min(max(wanted / (now - began), _LESS), _MORE)
            self._room, self._room_since = max(1.0, self._most_room * change), now

    async def _wait(self, line: _Line, tenant: str, tokens: int) -> None:
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.waiting.add(tenant, turn, tokens)
        self._let_in()  # it may be before those for whom there was no room
        try:
            await turn
        except asyncio.CancelledError:
            line.waiting.remove(tenant, turn)
            if not turn.cancelled():  # let in at this very moment
                self._leave(line, tokens)
            self._let_in()
            raise
        try:
            self._check_in_time(beside=line.requests - 1)
        except Expired:
            self._leave(line, tokens)
            self._let_in()
            raise

    def _check_in_time(self, *, beside: int) -> None:
        """Raises Expired where the answer would come too late: nothing is worked on in vain.

        With none of its kind ``beside`` it in the engine, it is seen anew how long that takes.
        """
        left = urgency.seconds_left()
        if left is not None and (left <= 0 or (beside and left < self._pace.stay)):
            raise Expired("the deadline passes before the engine has answered")

    def _let_in(self) -> None:
        for line in (self._hurried, self._bulk):
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
        if line is self._bulk:
            return not line.requests or self._bulk_fits(tokens)
        step = self._pace.step_tokens
        if self._is_light_around:
            return not line.requests or line.tokens + tokens <= self._most_room
        step = max(step, min(_PART_OF_WAIT * line.waiting.size, _LONGER * step))
        # The engine always has a next one.
        return line.requests < _STEPS or line.tokens + tokens <= _STEPS * step

    def _bulk_fits(self, tokens: int) -> bool:
        """Beside other bulk."""
        tokens += self._bulk.tokens
        if self._clock() - self._asked_at >= _LINGER_SECONDS and not self._hurried.requests:
            # A step at least, which an engine with a long pause after each does not get otherwise.
            full = 0.0 if math.isinf(self._first_tokens) else self._first_tokens
            return tokens <= max(_BULK_STEPS * self._pace.step_tokens, full)
        room = self._pace.step_tokens
        if self._is_light_around:
            room = min(room, self._most_room)
        return not self._hurried.waiting and self._hurried.tokens + tokens <= room

    @property
    def _most_room(self) -> float:
        """Tokens in the engine while light questions come."""
        return min(self._room, _STEPS * self._pace.step_tokens)

    @property
    def _is_light_around(self) -> bool:
        return self._clock() - self._light_at < _LINGER_SECONDS

    def _enter(self, line: _Line, tokens: int) -> None:
        self._pace.entered()
        self._entries += 1
        line.requests += 1
        line.tokens += tokens

    def _leave(self, line: _Line, tokens: int) -> None:
        """It was let in, and nothing was asked of the engine."""
        line.requests -= 1
        line.tokens -= tokens
        self._pace.left(0, others_wait=self._somebody_waits)
