"""A cascade: who answers, and that what was promised of the first model is kept."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.decisions.abstention import NEVER, abstention_threshold
from trueodds_service.core.decisions.cascade import (
    in_turn,
    passed_on_threshold,
    risk_thresholds,
)

Array = NDArray[np.float64]

TARGET, DRAWS, FITTED, NEW = 0.1, 100, 300, 5_000


def _kept(threshold: Callable[[Array, NDArray[np.int64]], float]) -> int:
    """In how many of the draws of labelled questions the first model, overconfident, is wrong in
    no more than the target of its answers to new ones; their odds are known, so no label's chance
    is in this.
    """
    generator = np.random.default_rng(5)
    kept = 0
    for _ in range(DRAWS):
        z = generator.normal(0, 2, (FITTED + NEW, 4))
        odds, said = softmax(z), softmax(1.7 * z)
        draws = generator.random((FITTED, 1))
        labels = np.minimum((odds[:FITTED].cumsum(axis=1) < draws).sum(axis=1), 3)
        least = threshold(said[:FITTED], labels)
        new = in_turn([said[FITTED:]] * 2, [least]).by == 0
        right = odds[FITTED:].max(axis=1)[new]
        kept += bool(not len(right) or 1 - right.mean() <= TARGET)
    return kept


def test_the_first_model_is_wrong_no_more_often_than_promised_in_95_of_100_draws() -> None:
    assert (
        _kept(lambda said, labels: abstention_threshold(said, labels, TARGET).min_confidence) >= 95
    )


def test_a_confidence_at_its_word_and_a_risk_as_it_was_seen_break_that_promise() -> None:
    """So that the test above is one that can fail: these are what one would do without it."""

    def as_seen(said: Array, labels: NDArray[np.int64]) -> float:
        """The least confidence above which no more than the target was wrong."""
        confidence = np.sort(said.max(axis=1))
        wrong = (said.argmax(axis=1) != labels)[said.max(axis=1).argsort()]
        risks = wrong[::-1].cumsum()[::-1] / np.arange(len(wrong), 0, -1)
        return float(confidence[risks <= TARGET].min(initial=NEVER))

    assert _kept(lambda _said, _labels: 1 - TARGET) < 5
    assert _kept(as_seen) < 80


def _of_three(generator: np.random.Generator, n: int) -> tuple[list[Array], list[Array]]:
    """What two models say of n questions, and how likely each is right. They agree on the easy
    ones; of the hard ones the first knows little, and the second is as sure as ever.
    """
    easy = generator.random(n) < 0.6
    sure = generator.uniform(0.8, 1, n)
    first = np.where(easy, generator.uniform(0.8, 1, n), generator.uniform(0.6, 0.8, n))
    right = np.where(easy, 0.99, np.minimum(8 * (sure - 0.8), 1))
    yes = np.where(easy, first, 1 - first)
    said = [np.column_stack([each, 1 - each]) for each in (yes, sure)]
    return said, [np.where(easy, right, 1 - right), right]


def _both_keep(
    thresholds: Callable[[list[Array], NDArray[np.int64]], Sequence[float]],
) -> tuple[int, int]:
    """In how many of the draws neither of two models is wrong in more than 20 % of what it answers
    before a third, and in how many both answer.
    """
    generator = np.random.default_rng(6)
    kept = both = 0
    for _ in range(DRAWS):
        said, odds = _of_three(generator, 2 * FITTED)
        least = thresholds(said, (generator.random(2 * FITTED) > odds[1]).astype(int))
        said, odds = _of_three(generator, NEW)
        by = in_turn([*said, said[0]], least).by
        risks = [1 - odds[model][by == model].mean() for model in (0, 1) if (by == model).any()]
        kept += all(risk <= 0.2 for risk in risks)
        both += len(risks) == 2
    return kept, both


def test_no_model_before_the_last_of_three_breaks_the_promise_in_95_of_100_draws() -> None:
    kept, both = _both_keep(lambda said, labels: risk_thresholds(said, labels, 0.2).min_confidence)
    assert kept >= 95
    assert both > 80


def test_thresholds_of_models_that_are_asked_everything_break_it() -> None:
    """What is passed on is harder than what there is."""
    kept, _ = _both_keep(
        lambda said, labels: [abstention_threshold(e, labels, 0.2).min_confidence for e in said]
    )
    assert kept < 20


def test_the_thresholds_of_two_models_are_those_of_abstention() -> None:
    generator = np.random.default_rng(7)
    said = softmax(generator.normal(0, 3, (400, 4)))
    labels = said.argmax(axis=1)
    found, alone = risk_thresholds([said], labels, 0.1), abstention_threshold(said, labels, 0.1)
    assert found.min_confidence == (alone.min_confidence,)
    assert (found.coverage, found.risk, found.risk_bound) == (
        alone.coverage,
        alone.risk,
        alone.risk_bound,
    )


def _passed_on_is_kept(threshold: Callable[[Array], float]) -> int:
    """In how many of the draws no more than 30 % of new confidences are below a threshold; their
    distribution is known, so that no chance of the new ones is in this.
    """
    generator = np.random.default_rng(8)
    draws = generator.beta(4, 2, (DRAWS, FITTED))
    return sum(bool(beta(4, 2).cdf(threshold(each)) <= 0.3) for each in draws)


def test_no_more_is_passed_on_than_promised_in_95_of_100_draws() -> None:
    assert _passed_on_is_kept(lambda seen: passed_on_threshold(seen, 0.3).min_confidence) >= 95
    # What one would do without a bound.
    assert _passed_on_is_kept(lambda seen: float(np.quantile(seen, 0.3))) < 70


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0.01, 0.99))
def test_what_is_passed_on_is_what_the_threshold_says(seed: int, n: int, target: float) -> None:
    """Also where many confidences are equal."""
    confidence = np.random.default_rng(seed).integers(0, 11, n) / 10
    found = passed_on_threshold(confidence, target)
    if found.min_confidence == NEVER:
        assert n < math.log(20) / (2 * target**2) + 1e-6
        return
    assert found.share == np.mean(confidence < found.min_confidence)
    assert found.bound == pytest.approx(found.share + math.sqrt(math.log(20) / (2 * n)))
    assert found.bound <= target + 1e-12
    # With the next confidence above, more would go on than may.
    higher = np.mean(confidence <= found.min_confidence)
    assert higher + math.sqrt(math.log(20) / (2 * n)) > target - 1e-12


@pytest.mark.parametrize(
    ("confidence", "target", "delta", "said"),
    [
        ([0.5], 0.0, 0.05, "target must"),
        ([0.5], 1.0, 0.05, "target must"),
        ([0.5], 0.5, 0.6, "delta must"),
        ([1.5], 0.5, 0.05, "confidence"),
        ([], 0.5, 0.05, "confidence"),
    ],
)
def test_what_tells_nothing_of_what_is_passed_on_is_refused(
    confidence: list[float], target: float, delta: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        passed_on_threshold(confidence, target, delta)


@given(st.integers(0, 2**32), st.floats(0, 1.01))
def test_each_question_has_the_answer_of_one_model(seed: int, least: float) -> None:
    generator = np.random.default_rng(seed)
    first, last = generator.dirichlet(np.ones(3), (2, 20))
    found = in_turn([first, last], [least])
    by_first = found.by == 0
    assert by_first.tolist() == (first.max(axis=1) >= least).tolist()
    assert found.probs[by_first].tolist() == first[by_first].tolist()
    assert found.probs[~by_first].tolist() == last[~by_first].tolist()


def test_a_threshold_that_nothing_reaches_leaves_all_to_the_last() -> None:
    first, last = np.array([[1.0, 0.0]]), np.array([[0.4, 0.6]])
    assert in_turn([first, last], [NEVER]).probs.tolist() == last.tolist()
    assert in_turn([first, last], [1.0]).probs.tolist() == first.tolist()


def test_two_models_are_asked_the_same_questions() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        in_turn([np.full((2, 2), 0.5), np.full((1, 2), 0.5)], [0.5])
