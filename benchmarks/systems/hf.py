"""transformers by itself: padded batches of whole prompts, logits of the last place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.process import Scores
from benchmarks.systems.vllm import ids, labels
from benchmarks.workload import Task
from trueodds_service.config import VllmSettings

BATCH = 16


class Transformers:
    """``AutoModelForCausalLM`` in the engine's number format, prompts of like length together."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        import torch  # noqa: PLC0415 (only this system's process needs it)
        from transformers import AutoModelForCausalLM  # noqa: PLC0415

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if self._device == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=dtype)
        self._model = model.to(self._device).eval()

    async def score(self, tasks: Sequence[Task]) -> Scores:
        import torch  # noqa: PLC0415

        prompts = [prompt for task in tasks for prompt in task.prompts]
        order = sorted(range(len(prompts)), key=lambda place: prompts[place].length)
        found = [np.empty(0)] * len(prompts)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            tokens = [ids(prompts[place]) for place in places]
            longest = max(map(len, tokens))
            padded = torch.tensor([[0] * (longest - len(each)) + each for each in tokens])
            mask = torch.tensor([[0] * (longest - len(t)) + [1] * len(t) for t in tokens])
            with torch.inference_mode():
                logits = self._model(
                    input_ids=padded.to(self._device),
                    attention_mask=mask.to(self._device),
                    logits_to_keep=1,
                ).logits[:, -1]
                logprobs = torch.log_softmax(logits.float(), dim=-1).cpu()
            for place, row in zip(places, logprobs, strict=True):
                found[place] = row[list(labels(prompts[place]))].double().numpy()
        return Scores(found)

    def close(self) -> None:
        pass
