"""Prompts that were in an engine when it died, and how the one that kills is found.

What was in an engine when it died is never sent again together with anything else: suspects are
halved, and a half is tried alone in an engine that has come up since, until one is found that kills
alone. It gets a fault of its own, and all others their scores.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from trueodds_service.engine.base import Outcome, TokenPrompt
from trueodds_service.errors import PromptFault, class_and_place
from trueodds_service.serving.killers import Killers, prompt_hash

_log = logging.getLogger(__name__)

Ask = Callable[[Sequence[TokenPrompt], str | None], Awaitable[list[Outcome]]]


def killed() -> PromptFault:
    """What a prompt of which the engine dies is told."""
    return PromptFault(
        "the engine dies of this prompt, which is not asked again", reason="ENGINE_KILLED"
    )


@dataclass(frozen=True, slots=True)
class _Suspect:
    prompt: TokenPrompt
    adapter: str | None
    outcome: "asyncio.Future[Outcome]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def answer(self, outcome: Outcome) -> None:
        if not self.outcome.done():  # nobody waits for it any more
            self.outcome.set_result(outcome)


class Suspects:
    """The suspects of a model's engines that have died.

    ``ask`` waits for an engine and scores with nothing else in it; it raises ConnectionError when
    the engine dies.
    """

    def __init__(self, ask: Ask, killers: Killers) -> None:
        self._ask = ask
        self._killers = killers
        self._arrived: list[_Suspect] = []
        self._held: dict[bytes, _Suspect] = {}
        self._trying: asyncio.Task[None] | None = None

    async def outcomes(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        """What becomes of prompts whose engine has died with them; the order is kept.

        They are tried to the end even if nobody waits any more: sent once more, one that kills
        would only kill again.
        """
        suspects = [self._suspect(prompt, adapter) for prompt in prompts]
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._try_all())
        # Who leaves does not take along what others wait for, too.
        return [await asyncio.shield(suspect.outcome) for suspect in suspects]

    def holds(self, prompt: TokenPrompt, adapter: str | None) -> bool:
        """Whether this very prompt is a suspect: asked again, it waits for its trial."""
        return bool(self._held) and prompt_hash(prompt, adapter) in self._held

    def _suspect(self, prompt: TokenPrompt, adapter: str | None) -> _Suspect:
        key = prompt_hash(prompt, adapter)
        if (held := self._held.get(key)) is not None:
            return held
        suspect = self._held[key] = _Suspect(prompt, adapter)
        suspect.outcome.add_done_callback(lambda _: self._held.pop(key, None))
        self._arrived.append(suspect)
        return suspect

    def close(self) -> None:
        if self._trying is not None:
            self._trying.cancel()

    async def _try_all(self) -> None:
        while self._arrived:
            # All calls of the dead engine learn of it before another one answers.
            await self._ask((), None)
            suspects, self._arrived = self._arrived, []
            try:
                await self._try(suspects, kills=True)
            except Exception as error:
                # Nobody is left to wait for what does not come.
                _log.error("suspects cannot be tried: %s", class_and_place(error))
                for suspect in suspects:
                    suspect.answer(PromptFault.of_engine())

    async def _try(self, suspects: Sequence[_Suspect], *, kills: bool) -> bool:
        """Answers the suspects; whether the engine died of them. ``kills`` where it surely will."""
        alone = len(suspects) == 1
        if alone or not kills:
            if await self._survives(suspects):
                return False
            if alone:
                self._killers.add(suspects[0].prompt, suspects[0].adapter)
                suspects[0].answer(killed())
                return True
        half = len(suspects) // 2
        died = await self._try(suspects[:half], kills=False)
        # Where those were harmless it is among the rest: no engine has to die to show it.
        await self._try(suspects[half:], kills=not died)
        return True

    async def _survives(self, suspects: Sequence[_Suspect]) -> bool:
        adapters = dict.fromkeys(suspect.adapter for suspect in suspects)
        try:
            for adapter in adapters:
                group = [suspect for suspect in suspects if suspect.adapter == adapter]
                outcomes = await self._ask([suspect.prompt for suspect in group], adapter)
                for suspect, outcome in zip(group, outcomes, strict=True):
                    suspect.answer(outcome)
        except ConnectionError:
            return False
        return True
