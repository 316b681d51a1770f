"""Metrics of answer distributions, with scikit-learn's beside them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netcal.metrics import ECE
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.metrics.evaluate import accuracy, brier, evaluate, nll
from trueodds_service.core.metrics.reliability import null_ece

Array = NDArray[np.float64]

seeds = st.integers(0, 2**32 - 1)


def sample(seed: int, n: int, k: int) -> tuple[Array, NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return softmax(generator.normal(0, 2, (n, k))), generator.integers(0, k, n)


def calibrated_sample(seed: int, n: int) -> tuple[Array, NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    p = softmax(generator.normal(0, 1.5, (n, 4)))
    return p, np.array([generator.choice(4, p=row) for row in p])


@given(seeds, st.integers(1, 60), st.integers(2, 6))
def test_agrees_with_scikit_learn(seed: int, n: int, k: int) -> None:
    p, labels = sample(seed, n, k)
    every = range(k)
    assert accuracy(p, labels) == pytest.approx(accuracy_score(labels, p.argmax(axis=1)))
    assert nll(p, labels) == pytest.approx(log_loss(labels, p, labels=every))
    reference = brier_score_loss(labels, p, labels=list(every), scale_by_half=False)
    assert brier(p, labels) == pytest.approx(reference)


@given(seeds)
def test_brier_of_two_options_is_twice_the_binary_score(seed: int) -> None:
    p, labels = sample(seed, n=30, k=2)
    binary = brier_score_loss(labels, p[:, 1], labels=[0, 1], scale_by_half=True)
    assert brier(p, labels) == pytest.approx(2 * binary)


def test_scores_at_their_ends() -> None:
    p = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert (accuracy(p, [0, 0]), nll(p, [0, 0]), brier(p, [0, 0])) == (1, 0, 0)
    assert (accuracy(p, [1, 1]), brier(p, [1, 1])) == (0, 2)
    assert nll(p, [1, 1]) == pytest.approx(126 * math.log(2))  # float32's smallest normal: 2⁻¹²⁶


def test_the_record_holds_each_metric() -> None:
    # Calibrated answers err to both sides, so that each way of binning has an error of its own.
    p, labels = calibrated_sample(seed=0, n=320)
    confidence = p.max(axis=1)
    correct = (p.argmax(axis=1) == labels).astype(int)
    result = evaluate(p, labels, bins=8, seed=5)
    assert result.n == 320
    assert result.accuracy == pytest.approx(accuracy(p, labels))
    assert result.confidence == pytest.approx(confidence.mean())
    assert result.ece == pytest.approx(ECE(8).measure(confidence, correct))
    assert result.ece_equal_mass == pytest.approx(
        ECE(8, equal_intervals=False).measure(confidence, correct)
    )
    assert result.null_ece == pytest.approx(null_ece(confidence, 8, seed=5))
    assert result.nll == pytest.approx(nll(p, labels))
    assert result.brier == pytest.approx(brier(p, labels))


def test_calibrated_answers_show_only_the_noise_floor() -> None:
    p, labels = calibrated_sample(seed=1, n=4000)
    calibrated = evaluate(p, labels)
    assert calibrated.ece < 2 * calibrated.null_ece
    sharpened = evaluate(softmax(2.5 * np.log(p)), labels)
    assert sharpened.ece > 5 * sharpened.null_ece
    assert sharpened.accuracy == calibrated.accuracy
    assert sharpened.nll > calibrated.nll


def test_a_row_that_sums_to_a_little_more_than_one_is_accepted() -> None:
    assert evaluate([[1.0001, 0.0], [0.5, 0.5]], [0, 1]).confidence == 0.75
    assert nll([[1.0001, 0.0]], [0]) == 0


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        ([0.5, 0.5], [0], r"probs must have shape \(n, k\)"),
        (np.empty((0, 4)), [], r"probs must have shape \(n, k\)"),
        ([[0.5, 0.6]], [0], "every row must sum to one"),
        ([[0.5, np.nan]], [0], "probs must be probabilities"),
        ([[0.5, 0.5]], [2], r"labels must lie in \[0, 2\)"),
        ([[0.5, 0.5]], [0, 1], r"labels must have shape \(1,\)"),
    ],
)
def test_refuses_malformed_input(p: Array, labels: list[int], message: str) -> None:
    for function in (accuracy, nll, brier, evaluate):
        with pytest.raises(ValueError, match=message):
            function(p, labels)
