"""vLLM as an engine: one model in its AsyncLLM. ``scorer`` says what it is asked."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueodds_service import caller, urgency
from trueodds_service.concurrency import gather_or_cancel
from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import EngineDied, EngineInfo, Outcome, TokenPrompt, Tokens, Usage
from trueodds_service.engine.hand_over import HandOver
from trueodds_service.engine.vllm.exclusive import Lanes
from trueodds_service.engine.vllm.launch import engine_arguments
from trueodds_service.engine.vllm.scorer import Scorer, Terms
from trueodds_service.errors import Expired, PromptFault, class_and_place

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

_log = logging.getLogger(__name__)

# Steps' worth of requests that vLLM has at once; the others wait here, in turn. The more wait in
# vLLM, the longer its steps: with thousands, an 8B on an H200 answers a tenth less.
_STEPS = 2


def _cache_salt(salt: str | None) -> str | None:
    """What keeps cached prompts apart: of tenants, whom the time would tell what another asked."""
    tenant = caller.current().tenant
    return f"{tenant}/{salt or ''}" if tenant else salt


class VllmEngine:
    """One model in vLLM's AsyncLLM, and the LoRA adapters over it."""

    def __init__(
        self,
        llm: "AsyncLLM",
        info: EngineInfo,
        adapters: "Mapping[str, LoRARequest]",
        *,
        hand_over: HandOver,
        on_cpu: bool,
    ) -> None:
        self.info = info
        self.usage = Usage()
        self._llm = llm
        self._numbers = itertools.count()
        self._lanes = Lanes()
        self._hand_over = hand_over
        self._adapters = adapters
        self._scorer = Scorer(
            self._generate,
            llm.vllm_config.cache_config.block_size,
            has_adapters=bool(adapters),
        )
        self._on_cpu = on_cpu

    @classmethod
    def start(
        cls, weights: Path, settings: VllmSettings, adapters: Mapping[str, Path] | None = None
    ) -> "VllmEngine":
        """Loads a model. Blocks until it can answer: seconds on a CPU, up to a minute on a GPU.

        ``adapters`` are folders by name. Call it inside the event loop that will score.
        """
        adapters = adapters or {}
        arguments = engine_arguments(weights, settings, adapters)
        import vllm  # noqa: PLC0415 (reads the environment when it is imported)
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.lora.request import LoRARequest  # noqa: PLC0415
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        config = llm.model_config
        info = EngineInfo(
            name="vllm",
            version=vllm.__version__,
            dtype=str(config.dtype).removeprefix("torch."),
            max_tokens=config.max_model_len,
            # The configuration's; vLLM loads no embedding of another size.
            vocabulary=config.get_vocab_size(),
        )
        # vLLM knows an adapter by its number, and would answer from another's cache were it reused.
        requests = {
            name: LoRARequest(name, number, str(path))
            for number, (name, path) in enumerate(adapters.items(), 1)
        }
        return cls(
            llm,
            info,
            requests,
            hand_over=HandOver(
                _STEPS * settings.max_sequences, settings.step_seconds, settings.max_batch_tokens
            ),
            on_cpu=current_platform.is_cpu(),
        )

    async def score(
        self, prompts: Sequence[TokenPrompt], adapter: str | None = None
    ) -> list[Outcome]:
        self.check_room(len(prompts))
        self.usage.prompts += len(prompts)
        lora = None if adapter is None else self._adapters[adapter]
        with self._hand_over.call(in_bulk=urgency.is_in_bulk(len(prompts))) as call:
            terms = Terms(call, lora)
            return await gather_or_cancel(self._outcome(prompt, terms) for prompt in prompts)

    async def _outcome(self, prompt: TokenPrompt, terms: Terms) -> Outcome:
        try:
            return await self._scorer.score(prompt, terms)
        except (EngineDied, Expired):
            raise
        except Exception as error:
            self.usage.faults += 1
            _log.error("vLLM failed at a prompt: %s", class_and_place(error))
            return PromptFault.of_engine()

    def check_room(self, prompts: int) -> None:
        self._hand_over.check(in_bulk=urgency.is_in_bulk(prompts))

    async def check(self) -> None:
        # Answered by vLLM's own process, between two steps.
        await self._llm.is_sleeping()

    def close(self) -> None:
        self._llm.shutdown()

    def _next_id(self) -> str:
        return str(next(self._numbers))

    def _lane(self, params: "SamplingParams", terms: Terms) -> str:
        """Requests that differ in this must not share a batch of vLLM's V1 runner.

        It spoils the top tokens where another request reads given tokens (vllm#51789), and on a
        CPU it puts an adapter on the base model's rows too.
        """
        lane = "given" if params.logprobs is None else "top"
        return f"{lane}, adapted" if terms.lora is not None and self._on_cpu else lane

    async def _generate(
        self,
        tokens: Tokens,
        params: "SamplingParams",
        terms: Terms,
        salt: str | None = None,
    ) -> Any:
        from vllm.inputs import tokens_input  # noqa: PLC0415
        from vllm.v1.engine.exceptions import EngineDeadError  # noqa: PLC0415

        turn = self._hand_over.turn(terms.call, len(tokens))
        async with turn as request, self._lanes.of(self._lane(params, terms)):
            generation = self._llm.generate(
                # As vLLM would make it of a TokensPrompt, in another thread and with more work.
                tokens_input(list(tokens), cache_salt=_cache_salt(salt)),
                params,
                self._next_id(),
                lora_request=terms.lora,
                priority=request.rank,
            )
            try:
                output = [output async for output in generation][-1]
            except EngineDeadError as error:
                raise EngineDied("vLLM's engine process is gone") from error
            request.cached = output.num_cached_tokens or 0
        self.usage.prompt_tokens += len(tokens)
        self.usage.cached_tokens += request.cached
        return output
