"""What is asked of vLLM for a score, and how its answer is read."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.logprobs import FlatLogprobs

# Where the sampling parameters of a request hold its forced tokens, in ``extra_args``.
FORCED = "trueodds_forced"

# vLLM's own limit to ``logprob_token_ids``.
MOST_TOKENS_READ = 128


# What forces more tokens is made anew: thousands of long options would be hundreds of megabytes.
_MOST_FORCED_KEPT = 16


def sampling(forced: tuple[int, ...], wanted: tuple[int, ...]) -> "SamplingParams":
    """Forces one token at each step, and reads the wanted tokens in one more step.

    A forced token is chosen, and vLLM always tells the logprob of what it chose: so the first
    steps tell p(forced) and the last one the wanted tokens given them, from one prompt.
    """
    make = _kept_sampling if len(forced) <= _MOST_FORCED_KEPT else _sampling
    return make(forced, wanted)


def _sampling(forced: tuple[int, ...], wanted: tuple[int, ...]) -> "SamplingParams":
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(
        max_tokens=len(forced) + 1,
        logprob_token_ids=list(wanted),
        extra_args={FORCED: list(forced)} if forced else None,
        **_greedy(),
    )


_kept_sampling = functools.lru_cache(maxsize=4096)(_sampling)


@functools.lru_cache(maxsize=32)
def prompt_sampling(likeliest: int = 1) -> "SamplingParams":
    """Logprobs of the prompt's own tokens, and the largest, from the first that is not cached."""
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(
        max_tokens=1, prompt_logprobs=likeliest, skip_reading_prefix_cache=False, **_greedy()
    )


@functools.lru_cache(maxsize=32)
def top_sampling(count: int) -> "SamplingParams":
    """The likeliest tokens after the prompt."""
    from vllm import SamplingParams  # noqa: PLC0415

    return SamplingParams(max_tokens=1, logprobs=count, **_greedy())


def _greedy() -> dict[str, Any]:
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    return {
        "temperature": 0.0,
        "ignore_eos": True,
        "detokenize": False,
        "output_kind": RequestOutputKind.FINAL_ONLY,
        "skip_clone": True,
        "flat_logprobs": True,
    }


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens in a row: ln p of them all, and whether greedy decoding would write them.

    ``open`` are the places, from the beginning of the text, at which that is still to be seen:
    the token there may be as likely as the likeliest, of which greedy decoding writes one.
    """

    logprob: float
    greedy: bool
    open: tuple[int, ...] = ()

    def then(self, other: "Span") -> "Span":
        """These tokens and those after them."""
        logprob, greedy = self.logprob + other.logprob, self.greedy and other.greedy
        return Span(logprob, greedy, self.open + other.open if greedy else ())


class Steps:
    """vLLM's logprobs, step by step: of the token that stands there first, then of others.

    Only the first one's rank is told: how many tokens are at least as likely, itself included.
    """

    def __init__(self, flat: "FlatLogprobs") -> None:
        self._flat = flat

    def are_of(self, step: int, tokens: tuple[int, ...]) -> bool:
        """Whether these tokens stand at the steps from ``step`` on."""
        starts = self._flat.start_indices[step : step + len(tokens)]
        return tuple(self._flat.token_ids[start] for start in starts) == tokens

    def chosen(self, step: int, count: int, before: int = 0) -> Span:
        """The tokens that stand at ``count`` steps from ``step`` on, of a text that has
        ``before`` tokens before the first step.
        """
        logprobs, ranks = self._flat.logprobs, self._flat.ranks
        starts = self._flat.start_indices[step : step + count]
        logprob = sum(logprobs[start] for start in starts)
        places = []
        for at, start in enumerate(starts, step):
            if ranks[start] != 1:
                if max(logprobs[start : self._flat.end_indices[at]]) > logprobs[start]:
                    return Span(logprob, greedy=False)
                places.append(before + at)
        return Span(logprob, greedy=True, open=tuple(places))

    def last(self) -> dict[int, float]:
        """Every logprob of the last step, by its token."""
        start = self._flat.start_indices[-1]
        rows = zip(self._flat.token_ids[start:], self._flat.logprobs[start:], strict=True)
        # Rows are as wide as the widest of the engine's step, and filled up with token 0.
        return dict(reversed(list(rows)))

    def wanted(self, tokens: tuple[int, ...]) -> dict[int, Span]:
        """Tokens that the last step was asked for, after which greedy decoding has chosen."""
        written, logprobs = self._flat.token_ids[self._flat.start_indices[-1]], self.last()
        return {token: Span(logprobs[token], token == written) for token in tokens}
