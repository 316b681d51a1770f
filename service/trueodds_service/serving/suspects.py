"""Prompts that were in an engine when it died, and how the one that kills is found.

What was in an engine when it died is never sent again together with anything else: suspects are
halved, and a half is tried alone in an engine that has come up since, until one is found that kills
alone. It gets a fault of its own, and all others their scores. Where a whole node is gone it was
none of them: those that wait for their trial are acquitted, and a trial there is held once more.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextvars import Context
from dataclasses import dataclass, field

from trueodds_service.caller import Caller, acting_for, current
from trueodds_service.engine.base import Outcome, Score, TokenPrompt
from trueodds_service.errors import PromptFault, class_and_place
from trueodds_service.serving.killers import Killers, prompt_hash

_log = logging.getLogger(__name__)


def killed() -> PromptFault:
    """What a prompt of which the engine dies is told."""
    return PromptFault(
        "the engine dies of this prompt, which is not asked again", reason="ENGINE_KILLED"
    )


class Acquitted:
    """Instead of an outcome: the prompt may be asked as if it had never been."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A prompt that was in an engine, on ``node``, when that died."""

    prompt: TokenPrompt
    adapter: str | None
    node: str
    caller: Caller = field(default_factory=current)
    outcome: "asyncio.Future[Outcome | Acquitted]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def answer(self, outcome: Outcome | Acquitted) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def give_up(self) -> None:
        """No engine has come to try it in."""
        self.outcome.cancel()

    async def wait(self) -> Outcome | Acquitted:
        """Raises TimeoutError when it is given up."""
        # A caller that leaves does not take along what others wait for, too.
        await asyncio.wait({self.outcome})
        if self.outcome.cancelled():
            raise TimeoutError
        return self.outcome.result()


class Suspects:
    """The suspects of a model's engines that have died.

    ``ask`` waits for an engine that has come since, and scores with nothing else in it; it raises
    ConnectionError when the engine dies of them, and TimeoutError when none comes.
    """

    def __init__(self, ask: Score, killers: Killers) -> None:
        self._ask = ask
        self._killers = killers
        self._arrived: list[Suspect] = []
        self._held: dict[bytes, Suspect] = {}
        self._trying: asyncio.Task[None] | None = None

    def take(self, prompts: Sequence[TokenPrompt], adapter: str | None, node: str) -> list[Suspect]:
        """Prompts whose engine has died with them become suspects, in their order.

        They are tried to the end even if nobody waits any more: sent once more, one that kills
        would only kill again.
        """
        suspects = [self._suspect(prompt, adapter, node) for prompt in prompts]
        if self._trying is None or self._trying.done():
            # On behalf of nobody until it is known whose prompts are tried.
            self._trying = asyncio.create_task(self._try_all(), context=Context())
        return suspects

    def held(self, prompt: TokenPrompt, adapter: str | None) -> Suspect | None:
        """This very prompt, if it is a suspect: asked again, it waits for its trial."""
        return self._held.get(prompt_hash(prompt, adapter)) if self._held else None

    @property
    def nodes(self) -> set[str]:
        """Where the engines died whose suspects wait for a trial."""
        return {suspect.node for suspect in self._arrived}

    def acquit(self, nodes: Collection[str]) -> None:
        """These nodes are gone, with all engines there: of no prompt's doing."""
        for suspect in self._arrived:
            if suspect.node in nodes:
                suspect.answer(Acquitted())
        self._arrived = [each for each in self._arrived if each.node not in nodes]

    def _suspect(self, prompt: TokenPrompt, adapter: str | None, node: str) -> Suspect:
        key = prompt_hash(prompt, adapter)
        if (held := self._held.get(key)) is not None:
            return held
        suspect = self._held[key] = Suspect(prompt, adapter, node)
        suspect.outcome.add_done_callback(lambda _: self._held.pop(key, None))
        self._arrived.append(suspect)
        return suspect

    def close(self) -> None:
        if self._trying is not None:
            self._trying.cancel()

    async def _try_all(self) -> None:
        while self._arrived:
            suspects: list[Suspect] = []
            try:
                # All calls of the dead engine learn of it before another one answers.
                await self._ask((), None)
                suspects, self._arrived = self._arrived, []
                if suspects:  # else acquitted
                    await self._try(suspects, kills=True)
            except TimeoutError:
                for suspect in [*suspects, *self._arrived]:
                    suspect.give_up()
                self._arrived = []
            except Exception as error:
                # Nobody is left to wait for what does not come.
                _log.error("suspects cannot be tried: %s", class_and_place(error))
                for suspect in suspects:
                    suspect.answer(PromptFault.of_engine())

    async def _try(self, suspects: Sequence[Suspect], *, kills: bool) -> bool:
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

    async def _survives(self, suspects: Sequence[Suspect]) -> bool:
        groups: dict[tuple[str, str | None], list[Suspect]] = {}
        for suspect in suspects:
            groups.setdefault((suspect.caller.tenant, suspect.adapter), []).append(suspect)
        try:
            for (_, adapter), group in groups.items():
                with acting_for(group[0].caller):
                    outcomes = await self._ask([suspect.prompt for suspect in group], adapter)
                for suspect, outcome in zip(group, outcomes, strict=True):
                    suspect.answer(outcome)
        except ConnectionError:
            return False
        return True
