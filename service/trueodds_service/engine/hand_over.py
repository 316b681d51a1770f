"""What of all that is asked an engine has at once.

An engine that is given everything works on it in long steps, in its own order. Here the rest
waits: lone questions before bulk, tenants in turn, and what would come too late not at all.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from trueodds_service import caller, urgency
from trueodds_service.engine.pace import Pace
from trueodds_service.errors import Expired, Overloaded
from trueodds_service.fair import FairQueue

# So long after the last lone question bulk makes room for the next one.
_LINGER_SECONDS = 2.0
# And so long after the last one of a tenant who had nothing waiting, where others had, they make
# room for his next one.
_LIGHT_LINGER_SECONDS = 10.0
# Steps of lone questions that an engine has at once: it takes up the second as it ends the first.
# And of bulk that is by itself: a lone question that comes has to wait for those.
_STEPS, _BULK_STEPS = 2, 10
# An engine gets more done in long steps. Where many lone questions wait, a step may take such a
# part of their wait, which is then hardly longer, and is so many times as long at most: somebody
# else may come.
_PART_OF_WAIT, _LONGER = 1 / 8, 5

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
    ``step_seconds``; longer where so many wait that it makes no difference; and no longer than a
    lone question by itself while a tenant who has nothing waiting asks, beside others who have.
    How much that is, is measured; until it is, a step has ``step_tokens``.
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
        self._clock = clock
        self._hurried, self._bulk = _Line(), _Line()
        self._pace = Pace(step_seconds, step_tokens, clock)
        self._asked_at = -_LINGER_SECONDS
        self._light_at = -_LIGHT_LINGER_SECONDS
        self._entries = 0

    @asynccontextmanager
    async def turn(self, tokens: int, *, in_bulk: bool) -> AsyncIterator[None]:
        """Inside, a request of so many tokens is in the engine.

        It belongs to the caller, and hurries, as the context says. Raises Expired where its turn
        has come too late.
        """
        line = self._bulk if in_bulk else self._hurried
        if not in_bulk:
            self._asked(caller.current().tenant)
        if line.waiting or not self._fits(line, tokens):
            await self._wait(line, tokens)
        else:
            self._check_in_time(beside=line.requests)
            self._enter(line, tokens)
        entered, done = self._clock(), 0
        alone = self._hurried.requests + self._bulk.requests == 1
        entries = self._entries
        try:
            yield
            done = tokens
        finally:
            line.requests -= 1
            line.tokens -= tokens
            if not in_bulk:
                self._asked_at = self._clock()
                alone = alone and self._entries == entries  # to its end
                self._pace.stayed(self._asked_at - entered, alone=alone)
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

    def _asked(self, tenant: str) -> None:
        """A lone question has come."""
        self._asked_at = self._clock()
        has_more = tenant in self._hurried.waiting or tenant in self._bulk.waiting
        if self._somebody_waits and not has_more:
            self._light_at = self._asked_at

    async def _wait(self, line: _Line, tokens: int) -> None:
        owner = caller.current().tenant
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.waiting.add(owner, turn, tokens)
        try:
            await turn
        except asyncio.CancelledError:
            line.waiting.remove(owner, turn)
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
        if line is self._hurried:
            least, room = self._for_lone_questions
            return line.requests < least or line.tokens + tokens <= room
        if not line.requests:
            return True
        if self._clock() - self._asked_at >= _LINGER_SECONDS and not self._hurried.requests:
            return line.tokens + tokens <= _BULK_STEPS * self._pace.step_tokens
        under_way = self._hurried.tokens + line.tokens
        return not self._hurried.waiting and under_way + tokens <= self._short_step

    @property
    def _for_lone_questions(self) -> tuple[int, float]:
        """How many are in the engine in any case, and so many tokens of them."""
        if self._is_light_around:
            return 1, self._short_step
        long_step = min(_PART_OF_WAIT * self._hurried.waiting.size, _LONGER * self._short_step)
        return _STEPS, _STEPS * max(self._short_step, long_step)

    @property
    def _short_step(self) -> float:
        """Tokens of a step for whose end a lone question may have to wait."""
        if self._is_light_around:
            return min(self._pace.step_tokens, self._pace.tokens_alone)
        return self._pace.step_tokens

    @property
    def _is_light_around(self) -> bool:
        return self._clock() - self._light_at < _LIGHT_LINGER_SECONDS

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
