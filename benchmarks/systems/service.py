"""The service over gRPC, from text, as a program calls it."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.process import Scores
from benchmarks.workload import Task
from trueodds import Answer, AsyncClient, Client, Question
from trueodds._channel import BATCH
from trueodds._convert import scoring as _messages
from trueodds.v1.scoring_pb2 import StreamScoreRequest
from trueodds_demo.service import running
from trueodds_service.config import ModelSettings, Settings, VllmSettings

MODEL = "model"
# Messages, or single questions, that are under way at once.
MESSAGES = 32
CALLS = 128
# Connections of the callers, as if they were as many programs: several gateways share them.
CONNECTIONS = 8

_SETTINGS = Settings.model_fields
_MODEL_SETTINGS = ModelSettings.model_fields


class Service:
    """`trueodds serve` with one model, and a client in this process."""

    def __init__(
        self, weights: Path, settings: VllmSettings, own: Mapping[str, Any] | None = None
    ) -> None:
        """``own`` holds settings of the model or of its engine that only this service has."""
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._address = self._stack.enter_context(
            running(config(folder, weights, settings, own or {}))
        )
        self._client = self._stack.enter_context(Client(self._address))
        self._client.wait_until_ready()

    async def batch(self, tasks: Sequence[Task]) -> Scores:
        """``BatchScore``: one call of the client a task, many at once."""
        async with _clients(self._address) as clients:
            free = asyncio.Semaphore(MESSAGES)

            async def one(task: Task, client: AsyncClient) -> list[NDArray[np.float64]]:
                async with free:
                    outcomes = await client.score_batch(
                        task.questions, model=MODEL, shots=task.shots, reading=task.format
                    )
                return [_read(outcome) for outcome in outcomes]

            asked = zip(tasks, itertools.cycle(clients), strict=False)
            return _joined(await asyncio.gather(*itertools.starmap(one, asked)))

    async def stream(self, tasks: Sequence[Task]) -> Scores:
        """``StreamScore``: a stream a connection, in which tasks come one after another."""
        return await self._streams(tasks, CONNECTIONS)

    async def one_stream(self, tasks: Sequence[Task]) -> Scores:
        """The same as one stream."""
        return await self._streams(tasks, 1)

    async def _streams(self, tasks: Sequence[Task], count: int) -> Scores:
        sizes = [len(task.questions) for task in tasks]
        placed = [*zip(tasks, itertools.accumulate(sizes, initial=0), strict=False)]
        found = [np.empty(0)] * sum(sizes)

        async def one(client: AsyncClient, own: Sequence[tuple[Task, int]]) -> None:
            async for first, response in client.stream(_messages_of(own), ordered=False):
                for place, outcome in enumerate(_messages.outcomes_of(response, first), first):
                    found[place] = _read(outcome)

        async with _clients(self._address) as clients:
            shares = (placed[number::count] for number in range(count))
            await asyncio.gather(*map(one, clients[:count], shares))
        return Scores(found)

    async def unary(self, tasks: Sequence[Task]) -> Scores:
        """``Score``: a call a question, many at once."""
        async with _clients(self._address) as clients:
            free = asyncio.Semaphore(CALLS)
            turns = itertools.cycle(clients)

            async def one(task: Task, question: Question) -> NDArray[np.float64]:
                client = next(turns)
                async with free:
                    answer = await client.score(
                        question, model=MODEL, shots=task.shots, reading=task.format
                    )
                return _read(answer)

            asked = [one(task, question) for task in tasks for question in task.questions]
            return Scores(list(await asyncio.gather(*asked)))

    async def one_at_a_time(self, tasks: Sequence[Task]) -> Scores:
        found, latencies = [], []
        for task in tasks:
            for question in task.questions:
                started = time.perf_counter()
                answer = self._client.score(
                    question, model=MODEL, shots=task.shots, reading=task.format
                )
                latencies.append(time.perf_counter() - started)
                found.append(_read(answer))
        return Scores(found, latencies)

    def close(self) -> None:
        self._stack.close()


def config(
    folder: Path, weights: Path, settings: VllmSettings, own: Mapping[str, Any] | None = None
) -> Path:
    """Writes a configuration of one model into ``folder``; ``own`` settings go before others."""
    own = own or {}
    of_service = {name: value for name, value in own.items() if name in _SETTINGS}
    of_model = {name: value for name, value in own.items() if name in _MODEL_SETTINGS}
    known = of_service.keys() | of_model.keys()
    of_engine = {name: value for name, value in own.items() if name not in known}
    model = {
        "name": MODEL,
        "weights": str(weights.resolve()),
        "engine": {**settings.model_dump(exclude_none=True), **of_engine},
        **of_model,
    }
    path = folder / "serve.yaml"
    content = {
        "listen": "127.0.0.1:0",
        "store": "sqlite:///s.sqlite",
        "models": [model],
        **of_service,
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@asynccontextmanager
async def _clients(address: str) -> AsyncIterator[list[AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(AsyncClient(address)) for _ in range(CONNECTIONS)]


async def _messages_of(
    placed: Sequence[tuple[Task, int]],
) -> AsyncIterator[tuple[int, StreamScoreRequest]]:
    for task, start in placed:
        settings = _messages.settings_message(
            MODEL, task.name, reading=task.format, shots=task.shots
        )
        for message in _messages.stream_messages(settings, start, task.questions, BATCH):
            yield message


def _read(outcome: Answer | Exception) -> NDArray[np.float64]:
    if not isinstance(outcome, Answer):
        raise outcome
    return np.array([option.logprob for option in outcome.options])


def _joined(found: Sequence[list[NDArray[np.float64]]]) -> Scores:
    return Scores([each for task in found for each in task])
