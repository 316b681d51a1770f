"""Asks the service and the reference the same, and compares all that the answer says."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trueodds import Answer, Client, Normalization
from verification.cases import Asked, Part, References
from verification.comparison import Comparison
from verification.reference import Span

Floats = NDArray[np.float64]


def options(client: Client, references: References, parts: Sequence[Part]) -> Comparison:
    """Logprobs, scores, probabilities, format probability, option mass, top tokens, choices."""
    comparison = Comparison()
    for part in parts:
        reference = references[part.model]
        logprobs = reference.logprobs(span for each in part.asked for span in _spans(each))
        found = answers(client, part)
        for each, answer in zip(part.asked, found, strict=True):
            comparison.n += 1
            _compare(comparison, each, answer, logprobs, part.reading.normalization)
        if part.top_tokens:
            all_tokens = reference.next_token([each.read_at for each in part.asked])
            for answer, each_token in zip(found, all_tokens, strict=True):
                _compare_top_tokens(comparison, answer, each_token, part.top_tokens)
    return comparison


def answers(client: Client, part: Part) -> list[Answer]:
    """The service's answers to a part; its first error is raised."""
    outcomes = client.score_batch(
        [each.question for each in part.asked],
        model=part.model,
        reading=part.reading,
        shots=part.shots,
        top_tokens=part.top_tokens,
    )
    found = []
    for outcome in outcomes:
        if not isinstance(outcome, Answer):
            raise outcome
        found.append(outcome)
    return found


def log_softmax(scores: Floats) -> Floats:
    return np.asarray(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))


def summed(ways: Sequence[Sequence[Span]], logprobs: dict[Span, float]) -> Floats:
    """ln p of each option: of all ways to write it."""
    return np.array([np.logaddexp.reduce([logprobs[span] for span in each]) for each in ways])


def _spans(each: Asked) -> list[Span]:
    spans = [span for ways in (*each.ways, *each.unconditional) for span in ways]
    return spans if each.identifier is None else [*spans, each.identifier]


def _compare(
    comparison: Comparison,
    each: Asked,
    answer: Answer,
    logprobs: dict[Span, float],
    normalization: Normalization,
) -> None:
    raw = summed(each.ways, logprobs)
    scores = raw
    if normalization is Normalization.PMI:
        unconditional = summed(each.unconditional, logprobs)
        comparison.numbers([o.unconditional_logprob for o in answer.options], unconditional)
        scores = raw - unconditional
    elif normalization is not Normalization.SUM:
        scores = raw / [_length(each, place, normalization) for place in range(len(raw))]
    comparison.numbers([option.logprob for option in answer.options], raw)
    comparison.numbers([option.score for option in answer.options], scores)
    comparison.numbers(
        [math.log(option.probability) for option in answer.options], log_softmax(scores)
    )
    comparison.choice(answer.choice, scores)
    mass = _mass(each, logprobs)
    comparison.numbers(math.log(answer.option_mass), mass)
    given = mass if each.identifier is None else logprobs[each.identifier]
    comparison.numbers(math.log(answer.format_probability), given)
    comparison.numbers(answer.prompt_tokens, len(each.read_at))
    comparison.numbers(
        [option.tokens for option in answer.options], [len(way[0].tokens) for way in each.ways]
    )
    variants = [max(len(option.variants), 1) for option in answer.options]
    comparison.numbers(variants, [len(ways) for ways in each.ways])


def _length(each: Asked, option: int, normalization: Normalization) -> int:
    if normalization is Normalization.TOKENS:
        return len(each.ways[option][0].tokens)
    name = each.names[option]
    return len(name.encode() if normalization is Normalization.BYTES else name)


def _mass(each: Asked, logprobs: dict[Span, float]) -> float:
    """ln p of that any option follows: what begins as another option does is part of it."""
    spans = {span for ways in each.ways for span in ways}
    kept = [
        logprobs[span]
        for span in spans
        if not any(
            other != span and span.tokens[: len(other.tokens)] == other.tokens for other in spans
        )
    ]
    return min(float(np.logaddexp.reduce(kept)), 0.0)


def _compare_top_tokens(
    comparison: Comparison, answer: Answer, logprobs: Floats, count: int
) -> None:
    """Each token's own logprob, and that no likelier one is left out."""
    found = [token.logprob for token in answer.top_tokens]
    comparison.numbers(found, [logprobs[token.id] for token in answer.top_tokens])
    comparison.numbers(found, np.sort(logprobs)[::-1][:count])
