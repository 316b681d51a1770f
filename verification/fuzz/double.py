"""An engine's process played in this one: over a real socket, and hostile at marked prompts."""

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from trueodds_service.engine.base import EngineInfo, Outcome, TokenPrompt, TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.link.listener import Listener
from trueodds_service.serving.directory import Announcement
from verification.fuzz.known import MARKER

# What is asked meanwhile is in the next step together, as in a real engine.
_STEP_SECONDS = 0.002
# What the watch over a real engine waits before it ends one that hangs is the service's setting.
_HANG_SECONDS = 0.05


class Mark(Enum):
    """What an engine does at a prompt: a character of the prompt, and the reason told for it."""

    DIES = "~", "ENGINE_KILLED"
    HANGS = "^", "ENGINE_KILLED"
    UNREADABLE = "%", "ENGINE_KILLED"
    NAN = "#", "LOGITS_NAN"
    INFINITE = "*", "LOGITS_NAN"
    TOO_FEW = "@", "ENGINE_FAULT"
    TOO_MANY = "&", "ENGINE_FAULT"
    NO_SCORE = "+", "ENGINE_FAULT"
    LEFT_OUT = "=", "ENGINE_FAULT"
    RAISES = "$", "ENGINE_FAULT"

    def __init__(self, character: str, reason: str) -> None:
        self.character = character
        self.reason = reason


_ENDS = {Mark.DIES, Mark.HANGS}


_numbers = itertools.count(1)


@dataclass
class _Call:
    prompts: Sequence[TokenPrompt]
    outcomes: "asyncio.Future[Any]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Double:
    """A replica, and those that take its place: ``announcement`` is what the living one says.

    It fails where a real engine would, or die. ``marks`` are the tokens at which it is hostile;
    ``deaths`` counts how often it died, ``harmless`` the prompts without a mark in it then.
    """

    def __init__(
        self,
        model: str,
        folder: Path,
        engine: FakeEngine,
        marks: Mapping[int, Mark],
        revisions: Mapping[str, str],
    ) -> None:
        self._model = model
        self._revisions = revisions
        self._folder = folder
        self._engine = engine
        self._marks = marks
        self._calls: list[_Call] = []
        self._stepping: asyncio.Task[None] | None = None
        self.deaths = self.harmless = 0

    def start(self) -> None:
        number = next(_numbers)
        self._listener = Listener(self._engine.info, self._score)
        endpoint = self._listener.listen(f"ipc://{self._folder}/{number}")
        self.announcement = Announcement(
            self._model, number, float(number), "here", endpoint, revisions=self._revisions
        )

    def close(self) -> None:
        self._listener.drop()

    async def _score(self, prompts: Sequence[TokenPrompt], adapter: str | None) -> list[Outcome]:
        call = _Call(prompts)
        self._calls.append(call)
        if self._stepping is None or self._stepping.done():
            self._stepping = asyncio.create_task(self._step())
        outcomes: list[Outcome] = await call.outcomes
        return outcomes

    async def _step(self) -> None:
        while self._calls:
            await asyncio.sleep(_STEP_SECONDS)
            calls = [call for call in self._calls if not call.outcomes.done()]
            marks = {self._mark(prompt) for call in calls for prompt in call.prompts}
            if marks & _ENDS:
                if Mark.DIES not in marks:
                    await asyncio.sleep(_HANG_SECONDS)
                await self._die()
                return
            self._calls = [call for call in self._calls if call not in calls]
            for call in calls:
                await self._answer(call)

    async def _die(self) -> None:
        self.deaths += 1
        inside = [p for call in self._calls if not call.outcomes.done() for p in call.prompts]
        self.harmless += sum(self._mark(prompt) is None for prompt in inside)
        self._calls = []
        self._listener.drop()
        self.start()

    async def _answer(self, call: _Call) -> None:
        try:
            outcomes = [
                self._spoiled(prompt, score)
                for prompt, score in zip(call.prompts, await self._scored(call), strict=True)
                if self._mark(prompt) is not Mark.LEFT_OUT
            ]
        except Exception as error:
            if not call.outcomes.done():
                call.outcomes.set_exception(error)
        else:
            if not call.outcomes.done():
                call.outcomes.set_result(outcomes)

    async def _scored(self, call: _Call) -> list[Outcome]:
        for prompt in call.prompts:
            check(prompt, self._engine.info)
            if self._mark(prompt) is Mark.RAISES:
                raise ValueError(MARKER)
        return await self._engine.score(call.prompts)

    def _mark(self, prompt: TokenPrompt) -> Mark | None:
        whole = (*prompt.prompt, *prompt.identifier, *itertools.chain(*prompt.continuations))
        return next((self._marks[token] for token in whole if token in self._marks), None)

    def _spoiled(self, prompt: TokenPrompt, score: Any) -> Any:
        spoil = _SPOILED.get(self._mark(prompt))
        return score if spoil is None else spoil(score)


_SPOILED: dict[Mark | None, Callable[[TokenScore], Any]] = {
    Mark.NAN: lambda score: _all(score, math.nan),
    Mark.INFINITE: lambda score: _all(score, math.inf),
    Mark.TOO_FEW: lambda score: replace(score, continuations=score.continuations[:-1]),
    Mark.TOO_MANY: lambda score: replace(
        score,
        continuations=(*score.continuations, -1.0),
        greedy=(*score.greedy, True),
    ),
    Mark.NO_SCORE: lambda score: None,
    # Numbers that are none: what cannot be read at the other end.
    Mark.UNREADABLE: lambda score: _all(score, cast(float, MARKER)),
}


def _all(score: TokenScore, number: float) -> TokenScore:
    return replace(score, continuations=(number,) * len(score.continuations))


def check(prompt: TokenPrompt, info: EngineInfo) -> None:
    """Raises where a real engine would fail, or die."""
    whole = (*prompt.prompt, *prompt.identifier, *itertools.chain(*prompt.continuations))
    promises = (
        prompt.prompt,
        prompt.continuations,
        all(prompt.continuations),
        len(set(prompt.continuations)) == len(prompt.continuations),
        prompt.total_length < info.max_tokens,
        info.vocabulary is None or max(whole) < info.vocabulary,
    )
    if not all(promises):
        raise ValueError("no engine takes such a prompt")
