"""Log-likelihoods of continuations, as scored questions: one a context."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from trueodds.answer import Answer
from trueodds.client import Client
from trueodds.errors import TrueoddsError
from trueodds.lm_eval.encoder import Encoder, Ids, with_spaces_moved
from trueodds.model import Model
from trueodds.question import Question, Text, TokenIds
from trueodds.reading import CustomFormat

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


class Reader:
    """Asks one model; ``max_length`` is how many tokens of input it reads at most."""

    def __init__(self, client: Client, model: Model, encoder: Encoder, max_length: int) -> None:
        self._client = client
        self._model = model
        self._encoder = encoder
        self._max_length = max_length

    def texts(
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
            read = None if self._too_long(outcome) else _log_likelihoods(outcome, len(rests))
            for place, rest in enumerate(rests):
                for pair in groups[stem][rest]:
                    yield pair, None if read is None else read[place]

    def tokens(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[LogLikelihood]:
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

    def _too_long(self, outcome: Answer | TrueoddsError) -> bool:
        """Whether ``max_length`` cuts what the service has read whole."""
        if not isinstance(outcome, Answer):
            return False
        longest = max(option.tokens for option in outcome.options)
        return outcome.prompt_tokens + longest > self._max_length + 1

    def _cut(self, context: Ids, continuation: Ids) -> tuple[Ids, Ids]:
        if not continuation:
            raise ValueError("a continuation is no tokens of its own: there is nothing to score")
        if len(continuation) > self._max_length:
            raise ValueError(
                f"a continuation of {len(continuation)} tokens; at most {self._max_length}"
            )
        whole = (context + continuation)[-(self._max_length + 1) :]
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
