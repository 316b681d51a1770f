"""Small calls that come together, as one: a call between processes costs as much as a question."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from trueodds_service.engine.base import TokenPrompt, TokenScore

Ask = Callable[[Sequence[TokenPrompt]], Awaitable[list[TokenScore]]]

# Calls of more prompts go by themselves, at once.
_SMALL = 4
# While fewer calls than these are under way, a small one goes at once. Else it waits for one to
# return, and goes with the others that wait.
_AT_ONCE = 4
# Prompts of one call at most: it returns when the last of them is done.
_MOST = 32


class Coalescing:
    """Passes calls on to ``ask``, those of a few prompts together while others are under way."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: list[_Waiting] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def score(self, prompts: Sequence[TokenPrompt]) -> list[TokenScore]:
        """As ``ask`` would. Who leaves takes its prompts along, once nobody waits for the call."""
        if len(prompts) > _SMALL:
            return await self._ask(prompts)
        mine = _Waiting(prompts, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._start()
        try:
            return await mine.scores
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif mine.call is not None and all(each.scores.done() for each in mine.call.members):
                mine.call.task.cancel()

    def _start(self) -> None:
        while self._waiting and len(self._calls) < _AT_ONCE:
            call = _Call()
            count = 0
            while self._waiting and count + len(self._waiting[0].prompts) <= _MOST:
                member = self._waiting.pop(0)
                member.call = call
                call.members.append(member)
                count += len(member.prompts)
            call.task = asyncio.create_task(self._run(call.members))
            self._calls.add(call.task)
            call.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._start()

    async def _run(self, members: "Sequence[_Waiting]") -> None:
        try:
            scores = await self._ask([prompt for each in members for prompt in each.prompts])
        except Exception as error:
            await self._fail(members, error)
            return
        found = iter(scores)
        for each in members:
            own = [next(found) for _ in each.prompts]
            if not each.scores.done():
                each.scores.set_result(own)

    async def _fail(self, members: "Sequence[_Waiting]", error: Exception) -> None:
        """One may have failed the others: each is asked again by itself, unless it was alone."""
        if len(members) > 1:
            await asyncio.gather(*(self._run([each]) for each in members))
        elif not members[0].scores.done():
            members[0].scores.set_exception(error)


class _Call:
    """A call under way, and those that wait for it."""

    task: "asyncio.Task[None]"

    def __init__(self) -> None:
        self.members: list[_Waiting] = []


class _Waiting:
    def __init__(
        self, prompts: Sequence[TokenPrompt], scores: "asyncio.Future[list[TokenScore]]"
    ) -> None:
        self.prompts = prompts
        self.scores = scores
        self.call: _Call | None = None
