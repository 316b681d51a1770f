"""lm-eval's own vLLM backend: a request an option, with the logprobs of the whole prompt."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.process import Scores
from benchmarks.systems.vllm import ids, peer_arguments
from benchmarks.workload import Task
from trueodds_service.config import VllmSettings


class LmEval:
    """Scores options of any length, from token ids."""

    def __init__(self, weights: Path, settings: VllmSettings) -> None:
        arguments = peer_arguments(weights, settings)
        # What lm-eval does not take, or sets itself.
        for name in ("model", "skip_tokenizer_init", "max_logprobs"):
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

    async def score(self, tasks: Sequence[Task]) -> Scores:
        prompts = [prompt for task in tasks for prompt in task.prompts]
        answers = self._model._loglikelihood_tokens(
            [
                (("", ""), ids(prompt), list(continuation))
                for prompt in prompts
                for continuation in prompt.continuations
            ],
            disable_tqdm=True,
        )
        found = iter(answers)
        return Scores([np.array([next(found)[0] for _ in each.continuations]) for each in prompts])

    def close(self) -> None:
        pass
