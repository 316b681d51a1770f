"""vLLM's own server: ``/v1/completions`` from text, and ``/generative_scoring`` from token ids."""

import asyncio
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from benchmarks.ports import free_port
from benchmarks.process import Scores
from benchmarks.systems.vllm import ids, labels, peer_arguments
from benchmarks.workload import Task
from trueodds_service.config import VllmSettings

# Requests under way at once, and prompts of one.
REQUESTS = 32
PROMPTS = 128
_START_SECONDS = 360.0
_TIMEOUT = aiohttp.ClientTimeout(total=None)


class OpenAi:
    """The server at ``url``, in a process of its own, and an HTTP client in this one."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = peer_arguments(weights, settings)
        # The server reads text.
        arguments["skip_tokenizer_init"] = None
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.model = arguments["model"]
        self._log = Path(tempfile.mkdtemp()) / "server.log"
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                    *("--host=127.0.0.1", f"--port={port}", "--disable-uvicorn-access-log"),
                    *_flags(arguments),
                ],
                stdout=log,
                stderr=log,
                env=os.environ,
            )
        self._wait(port)

    async def completions(self, tasks: Sequence[Task]) -> Scores:
        """A request for each 128 prompts of a task, which asks for the labels' logprobs."""
        return await self._all(self._completions, tasks)

    async def generative_scoring(self, tasks: Sequence[Task]) -> Scores:
        """A request for each option: it tells the probability of the first label only."""
        return await self._all(self._generative_scoring, tasks)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    async def _all(self, ask: Any, tasks: Sequence[Task]) -> Scores:
        free = asyncio.Semaphore(REQUESTS)
        connector = aiohttp.TCPConnector(limit=REQUESTS)
        async with aiohttp.ClientSession(
            self.url, connector=connector, timeout=_TIMEOUT
        ) as session:

            async def one(part: Task) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
                async with free:
                    return list(await ask(session, part))

            parts = [part for task in tasks for part in _parts(task)]
            found = await asyncio.gather(*map(one, parts))
        return Scores([each for part in found for each in part])

    async def _completions(self, session: aiohttp.ClientSession, task: Task) -> Any:
        wanted = labels(task.prompts[0])
        body = {
            "model": self.model,
            "prompt": task.texts,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": len(wanted),
            "logprob_token_ids": wanted,
            "return_tokens_as_token_ids": True,
        }
        answer = await _post(session, "/v1/completions", body)
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        return [
            np.array([step.get(f"token_id:{token}", math.nan) for token in wanted])
            for step in (choice["logprobs"]["top_logprobs"][0] for choice in choices)
        ]

    async def _generative_scoring(self, session: aiohttp.ClientSession, task: Task) -> Any:
        prompts = [ids(prompt) for prompt in task.prompts]
        shared = max(task.shared_tokens, 1)
        body = {
            "model": self.model,
            "query": prompts[0][:shared],
            "items": [prompt[shared:] for prompt in prompts],
            "apply_softmax": False,
            "add_special_tokens": False,
        }

        async def ask(token: int) -> list[float]:
            answer = await _post(
                session, "/generative_scoring", {**body, "label_token_ids": [token]}
            )
            return [
                each["score"] for each in sorted(answer["data"], key=lambda each: each["index"])
            ]

        first, *rest = labels(task.prompts[0])
        # The first fills the prefix cache for the others.
        found = [await ask(first), *await asyncio.gather(*map(ask, rest))]
        return list(np.log(np.array(found).T))

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    return
            except OSError:
                time.sleep(0.5)
        self.close()
        raise RuntimeError(self._log.read_text(encoding="utf-8")[-2000:])


async def _post(session: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with session.post(path, json=body) as response:
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {(await response.text())[:500]}")
        return await response.json()


def _parts(task: Task) -> Iterator[Task]:
    """Groups of at most a given number of prompts, all of which have the same labels."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, prompt in enumerate(task.prompts):
        places.setdefault(labels(prompt), []).append(place)
    if len(places) > 1:
        raise ValueError(f"the questions of {task.name} have several sets of labels")
    for start in range(0, len(task.prompts), PROMPTS):
        yield task.part(start, start + PROMPTS)


def _flags(arguments: dict[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield f"{flag}={value}"
