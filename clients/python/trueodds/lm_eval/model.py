"""The model that lm-eval sees."""

from typing import Any

import lm_eval.models  # noqa: F401 (else the first to register would be the only one)
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tqdm import tqdm

from trueodds._channel import TIMEOUT
from trueodds.client import Client
from trueodds.lm_eval.encoder import Encoder, Ids
from trueodds.lm_eval.reader import LogLikelihood, Reader


@register_model("trueodds")
class TrueoddsLM(LM):  # type: ignore[misc]
    """A model of a trueodds server.

    ``target`` is HOST:PORT; without it, the environment's TRUEODDS_SERVER, then localhost:50051.
    ``max_length`` is how many tokens of input the model reads at most, as the service says unless
    told less. The numbers are those of HFLM with the same ``max_length``. The service chooses its
    batches and devices itself: ``batch_size``, ``max_batch_size`` and ``device`` change nothing.
    """

    def __init__(
        self,
        model: str,
        target: str | None = None,
        *,
        max_length: int | None = None,
        timeout: float = TIMEOUT,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
    ) -> None:
        super().__init__()
        self._client = Client(target, timeout=float(timeout))
        self._model = self._client.model(model)
        if not self._model.ready:
            self._client.wait_until_ready()
            self._model = self._client.model(model)
        self.max_length = min(
            max_length or self._model.max_prompt_tokens, self._model.max_prompt_tokens
        )
        self._encoder = Encoder(self._client, self._model)
        self._reader = Reader(self._client, self._model, self._encoder, self.max_length)

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[LogLikelihood]:
        """ln p of each continuation after its context, and whether it is the greedy one."""
        pairs = [request.args for request in requests]
        found: dict[tuple[str, str], LogLikelihood] = {}
        left: list[tuple[str, str]] = []
        with tqdm(total=len(pairs), desc="Running loglikelihood", disable=disable_tqdm) as bar:
            for pair, outcome in self._reader.texts(pairs):
                if outcome is None:
                    left.append(pair)
                else:
                    found[pair] = outcome
                    bar.update()
            tokens = self._encoder.pairs(left)
            for pair, outcome in zip(left, self._reader.tokens(tokens), strict=True):
                found[pair] = outcome
                bar.update()
        results = [found[pair] for pair in pairs]
        for pair, result in zip(pairs, results, strict=True):
            self.cache_hook.add_partial("loglikelihood", pair, result)
        return results

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """ln p of whole texts, in windows of ``max_length`` tokens, each predicted once."""
        texts = [request.args[0] for request in requests]
        ids = self._encoder.encode(texts)
        owners: list[int] = []
        windows: list[tuple[Ids, Ids]] = []
        for owner, text in enumerate(texts):
            for pair in get_rolling_token_windows(
                token_list=list(ids[text]),
                prefix_token=self._encoder.prefix(),
                max_seq_len=self.max_length,
                context_len=1,
            ):
                context, continuation = make_disjoint_window(pair)
                owners.append(owner)
                windows.append((tuple(context), tuple(continuation)))
        totals = [0.0] * len(texts)
        for owner, (logprob, _) in zip(owners, self._reader.tokens(windows), strict=True):
            totals[owner] += logprob
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        raise NotImplementedError(
            "trueodds scores options and generates no text: tasks with generate_until need another "
            "model"
        )

    def get_model_info(self) -> dict[str, str]:
        """What answered, for the results' file."""
        return {
            "model_revision": self._model.revision,
            "model_dtype": self._model.dtype,
            "model_engine": self._model.engine,
        }
