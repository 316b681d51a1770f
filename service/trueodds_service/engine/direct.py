"""Requests straight to vLLM's engine process, many at a time.

AsyncLLM makes a task, a queue, a detokenizer and a few copies for every request: about as much
Python as the engine itself spends on it. What a score needs of a request is a message to the
engine's process and the rows of logprobs that come back. So the common kind of request, options
of one token each, goes by here, on the same connection: this module takes its own answers off
what AsyncLLM receives, and leaves it the others.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueodds_service.engine.base import EngineDied

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

# Requests that are sent before the event loop may do something else.
_SENT_AT_ONCE = 64


@dataclass(slots=True)
class Answer:
    """What the engine told of one request.

    ``steps`` holds a row a token that it chose: the tokens' ids, the chosen one's first, their
    logprobs, and how many tokens are as likely as the chosen one. ``cached`` are the tokens of
    the prompt that it did not compute.
    """

    steps: list[tuple[list[int], list[float], int]] = field(default_factory=list)
    cached: int = 0


class Direct:
    """Sends requests past AsyncLLM. Make it before AsyncLLM's own first receive.

    The event loop may not turn between the making of ``llm`` and of this.
    """

    def __init__(self, llm: "AsyncLLM") -> None:
        self._core: Any = llm.engine_core
        self._receive = self._core.get_output_async
        self._core.get_output_async = self._receive_others
        self._numbers = itertools.count()
        self._under_way: dict[str, tuple[Answer, _Batch]] = {}

    async def answers(
        self,
        prompts: Sequence[tuple[tuple[int, ...], "SamplingParams"]],
        lora: "LoRARequest | None" = None,
        *,
        priority: int = 0,
    ) -> list[Answer]:
        """One answer a prompt, in their order. Cancelling takes the prompts out of the engine.

        Raises EngineDied.
        """
        from vllm.v1.engine import EngineCoreRequest  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        batch = _Batch(len(prompts), asyncio.get_running_loop().create_future())
        answers = [Answer() for _ in prompts]
        names: list[str] = []
        try:
            for (tokens, params), answer in zip(prompts, answers, strict=True):
                name = f"direct-{next(self._numbers)}"
                names.append(name)
                self._under_way[name] = answer, batch
                request = EngineCoreRequest(
                    request_id=name,
                    prompt_token_ids=list(tokens),
                    mm_features=None,
                    sampling_params=params,
                    pooling_params=None,
                    arrival_time=time.time(),
                    lora_request=lora,
                    cache_salt=None,
                    data_parallel_rank=None,
                    priority=priority,
                )
                await self._core.add_request_async(request)
                if len(names) % _SENT_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if prompts:
                await batch.done
        except EngineDeadError as error:
            raise EngineDied("vLLM's engine process is gone") from error
        finally:
            # Whatever has not answered is of no use to anybody any more.
            if left := [name for name in names if self._under_way.pop(name, None)]:
                await self._core.abort_requests_async(left)
        return answers

    async def _receive_others(self) -> Any:
        """What AsyncLLM receives: the engine's outputs without those of requests from here."""
        try:
            outputs = await self._receive()
        except Exception as error:
            for _, batch in self._under_way.values():
                batch.fail(error)
            raise
        outputs.outputs = [output for output in outputs.outputs if not self._takes(output)]
        return outputs

    def _takes(self, output: Any) -> bool:
        """Notes what an output tells of a request from here; whether it is one."""
        if not output.request_id.startswith("direct-"):
            return False
        found = self._under_way.get(output.request_id)
        if found is None:  # an answer that nobody waits for any more
            return True
        answer, batch = found
        if output.prefill_stats is not None:
            answer.cached = output.prefill_stats.num_cached_tokens
        if output.new_logprobs is not None:
            ids, logprobs, ranks, *_ = output.new_logprobs
            rows = zip(ids.tolist(), logprobs.tolist(), ranks.tolist(), strict=True)
            answer.steps.extend(rows)
        if output.finish_reason is not None:
            del self._under_way[output.request_id]
            batch.one_done()
        return True


@dataclass(slots=True)
class _Batch:
    left: int
    done: "asyncio.Future[None]"

    def one_done(self) -> None:
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
