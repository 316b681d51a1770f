"""What one prompt does to the real engine: it dies, it hangs, and nobody else loses anything."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio

from trueodds_demo.service import MODELS
from trueodds_service.config import ModelSettings, VllmSettings
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.revision import model_revision
from trueodds_service.serving.directory import Announcement
from trueodds_service.serving.nodes import here
from trueodds_service.serving.replicas import Replicas

VOCABULARY = 1280
SCRIPT = Path(__file__).with_name("engine_process.py")

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Restarted:
    """A process that is started anew whenever it has ended, and what a gateway sees of it."""

    def __init__(self, sockets: Path) -> None:
        engine = VllmSettings(kv_cache_gib=0.5, gpu_memory_fraction=0.2, hang_seconds=3)
        self._model = ModelSettings(name="base", weights=MODELS / "base", engine=engine)
        revisions = {"base": model_revision(self._model.weights)}
        self.replicas = Replicas("base", here(), revisions)
        self._sockets = sockets
        self.process: asyncio.subprocess.Process | None = None
        self.deaths = 0
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        self.replicas.close()
        self._running.cancel()
        if self.process is None or self.process.returncode is not None:
            return
        for each in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                each.kill()
        await self.process.wait()

    async def _run(self) -> None:
        while True:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                SCRIPT,
                self._model.model_dump_json(),
                self._sockets,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert self.process.stdout is not None
            async for line in self.process.stdout:
                if line.startswith(b"announced "):
                    announced = json.loads(line.removeprefix(b"announced "))
                    self.replicas.learn([Announcement(**announced)])
            self.deaths += 1
            await self.process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory):
    handle = Restarted(tmp_path_factory.mktemp("sockets"))
    await handle.replicas.connected()
    yield handle, handle.replicas
    await handle.close()


def prompts(start: int, count: int) -> list[TokenPrompt]:
    numbers = range(start, start + count)
    return [TokenPrompt((50, 60 + number % 900, 70, 80), ((5,), (6,), (7,))) for number in numbers]


def assert_same(outcomes, expected):
    for outcome, right in zip(outcomes, expected, strict=True):
        assert isinstance(outcome, TokenScore)
        np.testing.assert_allclose(outcome.continuations, right.continuations, atol=1e-4)


@pytest.mark.timeout(600)
async def test_a_prompt_that_kills_is_one_error_and_all_others_have_their_scores(served):
    """A token without a row in the embedding, past the check that would refuse it."""
    handle, replicas = served
    fine = prompts(0, 500)
    expected = await replicas.score(fine, None)
    asked = list(fine)
    # Last, so that few engines have to die: tests/serving has it in every place.
    asked.append(TokenPrompt((50, VOCABULARY + 10**6), ((5,), (6,))))
    calls = [replicas.score(asked[start : start + 50], None) for start in range(0, 501, 50)]
    outcomes = [outcome for call in await asyncio.gather(*calls) for outcome in call]
    assert outcomes.pop().reason == "ENGINE_KILLED"
    assert_same(outcomes, expected)
    await replicas.connected()
    assert handle.deaths == 2, "one death shows that there is one, and one which it is"
    [again] = await replicas.score(asked[500:], None)
    assert again.reason == "ENGINE_KILLED"
    assert_same(await replicas.score(fine[:1], None), expected[:1])
    assert handle.deaths == 2, "it is known"


@pytest.mark.timeout(600)
async def test_an_engine_that_hangs_is_replaced_and_answers_what_it_was_asked(served):
    handle, replicas = served
    await replicas.connected()
    deaths = handle.deaths
    # vLLM's own process stands still; the one around it goes on.
    children = psutil.Process(handle.process.pid).children(recursive=True)
    [core] = [each for each in children if "EngineCore" in " ".join(each.cmdline())]
    expected = await replicas.score(prompts(0, 8), None)
    os.kill(core.pid, signal.SIGSTOP)
    assert_same(await replicas.score(prompts(0, 8), None), expected)
    assert handle.deaths == deaths + 1
    assert not core.is_running()
