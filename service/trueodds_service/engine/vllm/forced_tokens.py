"""A logits processor for vLLM that makes a request go on with given tokens."""

from typing import TYPE_CHECKING, Any

import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from trueodds_service.engine.vllm.logprobs import FORCED

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.config import VllmConfig


class ForcedTokens(LogitsProcessor):  # type: ignore[misc]  # vLLM is untyped
    """Makes greedy sampling choose the next of a request's own tokens, as far as they go.

    vLLM takes its raw logprobs before any processor runs, and always tells that of the token it
    chose: so each step tells the logprob of a given token, from one row of the LM head, and with
    everything before it in the cache.
    """

    def __init__(
        self, vllm_config: "VllmConfig", device: torch.device, is_pin_memory: bool
    ) -> None:
        self._device = device
        # By the request's row: its tokens, and vLLM's own list of those that it has chosen.
        self._requests: dict[int, tuple[list[int], list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        process_dict_updates(self._requests, batch_update, _tokens)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        # The list may hold placeholders for tokens still under way; its length is right.
        forced = [
            (row, tokens[len(chosen)])
            for row, (tokens, chosen) in self._requests.items()
            if len(chosen) < len(tokens)
        ]
        if forced:
            rows, tokens = torch.tensor(forced, device=self._device).T
            logits[rows, tokens] = float("inf")
        return logits


def _tokens(
    params: "SamplingParams", prompt: list[int] | None, chosen: list[int]
) -> tuple[list[int], list[int]] | None:
    arguments: dict[str, Any] = params.extra_args or {}
    return (arguments[FORCED], chosen) if FORCED in arguments else None
