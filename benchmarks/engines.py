"""vLLM without the service, each in a process of its own that waits to be told to score."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol
from unittest import mock

from benchmarks.workload import Task
from trueodds_service.config import VllmSettings
from trueodds_service.engine.launch import engine_arguments
from trueodds_service.engine.vllm import VllmEngine


class System(Protocol):
    """Scores prompts without the service around it."""

    async def score(self, tasks: Sequence[Task]) -> None: ...

    def close(self) -> None: ...


Start = Callable[[Path, VllmSettings], System]


class EngineProcess:
    """A system under test. ``start`` runs in the process, inside its event loop."""

    def __init__(self, start: Start, weights: Path, settings: VllmSettings) -> None:
        """Returns when the system is ready to score."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(start, weights, settings, theirs))
        self._process.start()
        theirs.close()
        self._connection.recv()

    def seconds(self, tasks: Sequence[Task]) -> float:
        """How long it takes to score the prompts of all tasks."""
        self._connection.send(tasks)
        return float(self._connection.recv())

    def stop(self) -> None:
        self._connection.send(None)
        self._process.join()


def _run(start: Start, weights: Path, settings: VllmSettings, connection: Connection) -> None:
    async def main() -> None:
        system = start(weights, settings)
        connection.send("ready")
        while (tasks := await asyncio.to_thread(connection.recv)) is not None:
            started = time.perf_counter()
            await system.score(tasks)
            connection.send(time.perf_counter() - started)
        system.close()

    asyncio.run(main())


class Offline:
    """vLLM's ``LLM.generate``: all prompts as one list, one greedy token after each.

    The format identifier is part of the prompt: other than the service, this reads the options'
    logprobs only and no format probability.
    """

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = engine_arguments(weights, settings)
        from vllm import LLM  # noqa: PLC0415 (it reads the environment)

        self._llm = LLM(**arguments)

    async def score(self, tasks: Sequence[Task]) -> None:
        from vllm import SamplingParams  # noqa: PLC0415
        from vllm.inputs import TokensPrompt  # noqa: PLC0415

        prompts = [prompt for task in tasks for prompt in task.prompts]
        tokens, parameters = [], []
        for prompt in prompts:
            tokens.append(TokensPrompt(prompt_token_ids=[*prompt.prompt, *prompt.identifier]))
            wanted = [label for (label,) in prompt.continuations]
            parameters.append(
                SamplingParams(
                    temperature=0.0, max_tokens=1, logprob_token_ids=wanted, detokenize=False
                )
            )
        self._llm.generate(tokens, parameters, use_tqdm=False)

    def close(self) -> None:
        pass


class Bare:
    """The service's engine around ``AsyncLLM``, with neither Ray nor gRPC around it."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        self._engine = VllmEngine.start(weights, settings)

    async def score(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            await self._engine.score(task.prompts)

    def close(self) -> None:
        self._engine.close()


class LmEval:
    """lm-eval's own vLLM backend: a request an option, with the logprobs of the whole prompt."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = engine_arguments(weights, settings)
        # What lm-eval does not take, or sets itself.
        for name in ("model", "skip_tokenizer_init", "logits_processors", "max_logprobs"):
            del arguments[name]
        import vllm  # noqa: PLC0415 (it reads the environment)

        # lm-eval asks for the version of a distribution called vllm, and the CPU's is not.
        real = metadata.version
        fake = {"vllm": vllm.__version__}
        with mock.patch.object(
            metadata, "version", side_effect=lambda name: fake.get(name) or real(name)
        ):
            from lm_eval.models import vllm_causallms  # noqa: PLC0415
        self._model = vllm_causallms.VLLM(pretrained=str(weights), batch_size="auto", **arguments)

    async def score(self, tasks: Sequence[Task]) -> None:
        self._model._loglikelihood_tokens(
            [
                (("", ""), [*prompt.prompt, *prompt.identifier], list(continuation))
                for task in tasks
                for prompt in task.prompts
                for continuation in prompt.continuations
            ],
            disable_tqdm=True,
        )

    def close(self) -> None:
        pass
