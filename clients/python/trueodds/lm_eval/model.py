"""The backend: log-likelihood requests as scored questions."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import lm_eval.models  # noqa: F401 (else the first to register would be the only one)
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tqdm import tqdm

from trueodds._channel import TIMEOUT
from trueodds.client import Client
from trueodds.errors import TrueoddsError
from trueodds.lm_eval.encoder import Encoder, Ids, with_spaces_moved
from trueodds.types import Answer, CustomFormat, Question, Text, TokenIds

Item = TypeVar("Item")
LogLikelihood = tuple[float, bool]

# The continuation directly after the context, and nothing else.
_DIRECTLY = CustomFormat(answer="{text}")

# What the service refuses to read from text, and lm-eval's own backends read in their way.
_BY_TOKENS = {
    "OPTION_CHANGES_PROMPT",
    "OPTIONS_SAME_TOKENS",
    "EMPTY_PROMPT",
    "PROMPT_TOO_LONG",
}


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
        self._max_length = min(max_length or math.inf, self._model.max_prompt_tokens)
        self._encoder = Encoder(self._client, self._model)

    @property
    def max_length(self) -> int:
        return int(self._max_length)

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[LogLikelihood]:
        """Of each request's continuation after its context, and whether it is the greedy one."""
        pairs = [request.args for request in requests]
        found: dict[tuple[str, str], LogLikelihood] = {}
        left: list[tuple[str, str]] = []
        with tqdm(total=len(pairs), desc="Running loglikelihood", disable=disable_tqdm) as bar:
            for pair, outcome in self._read_texts(pairs):
                if outcome is None:
                    left.append(pair)
                else:
                    found[pair] = outcome
                    bar.update()
            tokens = self._encoder.pairs(left)
            for pair, outcome in zip(left, self._read_tokens(tokens), strict=True):
                found[pair] = outcome
                bar.update()
        results = [found[pair] for pair in pairs]
        for pair, result in zip(pairs, results, strict=True):
            self.cache_hook.add_partial("loglikelihood", pair, result)
        return results

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Of whole texts, in windows of ``max_length`` tokens, each predicted once."""
        texts = [request.args[0] for request in requests]
        ids = self._encoder.encode(texts)
        owners: list[int] = []
        windows: list[tuple[Ids, Ids]] = []
        for owner, text in enumerate(texts):
            for pair in get_rolling_token_windows(
                token_list=list(ids[text]),
                prefix_token=self._model.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            ):
                context, continuation = make_disjoint_window(pair)
                owners.append(owner)
                windows.append((tuple(context), tuple(continuation)))
        totals = [0.0] * len(texts)
        for owner, (logprob, _) in zip(owners, self._read_tokens(windows), strict=True):
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

    def _read_texts(
        self, pairs: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[tuple[str, str], LogLikelihood | None]]:
        """Each distinct pair, read from its text; None where it has to be read by tokens."""
        nothing_added = self._encoder.added == ((), ())
        groups: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for pair in dict.fromkeys(pairs):
            stem, rest = with_spaces_moved(*pair)
            plain = nothing_added or not self._encoder.may_name_special_token(stem + rest)
            if stem and rest and plain:
                # Two pairs can differ in which of them the space between belongs to.
                groups.setdefault(stem, {}).setdefault(rest, []).append(pair)
            else:
                yield pair, None
        split = [
            (stem, part)
            for stem, rests in groups.items()
            for part in _parts(list(rests), self._model.max_options)
        ]
        questions = (
            Question(prompt=Text(stem, special_tokens=nothing_added), options=rests)
            for stem, rests in split
        )
        for index, outcome in self._ask(questions):
            stem, rests = split[index]
            read = _log_likelihoods(outcome, len(rests))
            for place, rest in enumerate(rests):
                for pair in groups[stem][rest]:
                    yield pair, None if read is None else read[place]

    def _read_tokens(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[LogLikelihood]:
        """Each pair of tokens; one that is too long loses its beginning, as HFLM's do."""
        cut = [self._cut(*pair) for pair in pairs]
        groups: dict[Ids, dict[Ids, None]] = {}
        for context, continuation in cut:
            groups.setdefault(context, {})[continuation] = None
        split = [
            (context, part)
            for context, continuations in groups.items()
            for part in _parts(list(continuations), self._model.max_options)
        ]
        questions = (
            Question(prompt=TokenIds(context), option_ids=continuations)
            for context, continuations in split
        )
        found: dict[tuple[Ids, Ids], LogLikelihood] = {}
        for index, outcome in self._ask(questions):
            context, continuations = split[index]
            read = _log_likelihoods(outcome, len(continuations))
            if read is None and isinstance(outcome, TrueoddsError):
                raise outcome
            for continuation, each in zip(continuations, read or (), strict=True):
                found[context, continuation] = each
        return [found[pair] for pair in cut]

    def _cut(self, context: Ids, continuation: Ids) -> tuple[Ids, Ids]:
        if not continuation:
            raise ValueError("a continuation is no tokens of its own: there is nothing to score")
        if len(continuation) > self.max_length:
            raise ValueError(
                f"a continuation of {len(continuation)} tokens; at most {self.max_length}"
            )
        whole = (context + continuation)[-(self.max_length + 1) :]
        return whole[: -len(continuation)], continuation

    def _ask(self, questions: Iterable[Question]) -> Iterator[tuple[int, Answer | TrueoddsError]]:
        return self._client.score_stream(
            questions, model=self._model.name, reading=_DIRECTLY, ordered=False
        )


def _log_likelihoods(outcome: Answer | TrueoddsError, options: int) -> list[LogLikelihood] | None:
    """One an option; None where they have to be read by tokens. Raises what is really wrong."""
    if isinstance(outcome, Answer):
        return [(option.logprob, option.greedy) for option in outcome.options]
    if outcome.reason == "NO_OPTION_MASS":
        return [(-math.inf, False)] * options
    if outcome.reason in _BY_TOKENS:
        return None
    raise outcome


def _parts(values: Sequence[Item], most: int) -> list[Sequence[Item]]:
    return [values[first : first + most] for first in range(0, len(values), most)]
