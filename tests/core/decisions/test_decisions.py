"""Abstention and answer sets: their guarantees by simulation, MAPIE and scipy beside them."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.decisions.abstention import (
    NEVER,
    abstention_threshold,
    confidence_threshold,
)
from trueodds_service.core.decisions.conformal import (
    ConformalScore,
    answer_sets,
    conformal_threshold,
)
from trueodds_service.core.metrics.rate_intervals import upper_bound

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def sample(seed: int, n: int, k: int = 4, sharpness: float = 1.7) -> tuple[Array, Labels]:
    """Overconfident answers: what is promised here does not ask for calibration."""
    generator = np.random.default_rng(seed)
    z = generator.normal(0, 1.5, (n, k))
    draws = generator.random((n, 1))
    labels = np.minimum((softmax(z).cumsum(axis=1) < draws).sum(axis=1), k - 1)
    return softmax(z * sharpness), labels


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.5))
def test_the_exact_bound_is_clopper_and_pearsons(
    trials: int, data: st.DataObject, d: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    expected = 1.0 if hits == trials else stats.beta.ppf(1 - d, hits + 1, trials - hits)
    assert upper_bound(hits, trials, d) == pytest.approx(expected, rel=1e-9)


def test_abstention_keeps_its_promise() -> None:
    """The risk of new answers exceeds the target no more often than δ allows, all tests together.

    The hardest case: every share of the items has a risk just above the target, so that each
    answer given is a promise broken, and ten tests are ten occasions. Were each of them made at δ,
    about a third of the draws would break it.
    """
    draws, n, delta = 300, 200, 0.1
    generator = np.random.default_rng(0)
    broken = 0
    for _ in range(draws):
        confidence = generator.uniform(0.5, 1, n)
        p = np.stack([confidence, 1 - confidence], axis=1)
        labels = (generator.random(n) < 0.3).astype(np.int64)
        broken += abstention_threshold(p, labels, 0.2999, delta).coverage > 0
    assert broken <= stats.binom.ppf(0.999, draws, delta)
    assert broken > 0, "it would be easy to promise nothing"


def test_the_bound_is_exact_at_a_tenth_of_delta() -> None:
    """Ten coverages are tested, so that each has a tenth of what may go wrong."""
    p, labels = sample(1, n=1000)
    found = abstention_threshold(p, labels, target_risk=0.25, delta=0.05)
    answered = int((p.max(axis=1) >= found.min_confidence).sum())
    wrong = round(found.risk * answered)
    expected = stats.beta.ppf(1 - 0.05 / 10, wrong + 1, answered - wrong)
    assert found.risk_bound == pytest.approx(expected, rel=1e-9)


def test_the_first_item_below_the_threshold_is_refused() -> None:
    """Half of the items are right and the more confident ones: exactly these are answered."""
    confidence = np.linspace(0.99, 0.51, 100)
    p = np.stack([confidence, 1 - confidence], axis=1)
    labels = (np.arange(100) >= 50).astype(np.int64)
    found = abstention_threshold(p, labels, target_risk=0.12)
    np.testing.assert_array_equal(confidence >= found.min_confidence, labels == 0)
    assert (found.coverage, found.risk) == (0.5, 0)


def test_a_threshold_between_two_plateaus_is_short_enough_to_be_copied() -> None:
    """Isotonic maps and bins make plateaus, and 0.8000000000000002 is copied as 0.8."""
    confidence = np.repeat([0.8, 0.95], 1000)
    correct = np.concatenate([np.arange(1000) % 5 > 0, np.arange(1000) % 100 > 0])
    found = confidence_threshold(confidence, correct, target_risk=0.05)
    assert (found.min_confidence, found.coverage, found.risk) == (0.9, 0.5, 0.01)
    assert repr(float(f"{found.min_confidence:.2g}")) == repr(found.min_confidence)


def test_the_threshold_reports_what_it_does() -> None:
    p, labels = sample(1, n=1000)
    found = abstention_threshold(p, labels, target_risk=0.25)
    answered = p.max(axis=1) >= found.min_confidence
    assert found.coverage == pytest.approx(answered.mean())
    assert found.risk == pytest.approx((p.argmax(axis=1) != labels)[answered].mean())
    assert found.risk < found.risk_bound <= 0.25
    stricter = abstention_threshold(p, labels, target_risk=0.2)
    assert stricter.min_confidence > found.min_confidence
    assert stricter.coverage < found.coverage


def test_nothing_is_answered_where_nothing_can_be_promised() -> None:
    p, labels = sample(2, n=10)
    found = abstention_threshold(p, labels, target_risk=0.05)
    assert (found.min_confidence, found.coverage, found.risk_bound) == (NEVER, 0, 1)
    assert found.min_confidence > 1


def test_everything_is_answered_where_all_are_right() -> None:
    p, _ = sample(3, n=500)
    found = abstention_threshold(p, p.argmax(axis=1), target_risk=0.05)
    assert (found.min_confidence, found.coverage, found.risk) == (0, 1, 0)


@pytest.mark.parametrize("score", ConformalScore)
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_sets_cover_as_they_promise(score: ConformalScore, alpha: float) -> None:
    """Over draws of calibration and test items coverage is at least 1 − α, and LAC's no more."""
    covered = []
    for seed in range(150):
        p, labels = sample(seed, n=600)
        threshold = conformal_threshold(p[:100], labels[:100], alpha, score)
        sets = answer_sets(p[100:], threshold, score)
        covered.append(sets[np.arange(500), labels[100:]].mean())
    mean, error = np.mean(covered), np.std(covered) / np.sqrt(150)
    assert mean >= 1 - alpha - 3 * error
    # Forced into every set, the likeliest option may add to the coverage of LAC at a large alpha.
    if score is ConformalScore.LAC and alpha < 0.3:
        assert mean <= 1 - alpha + 1 / 101 + 3 * error


@pytest.mark.parametrize("n", [9, 19, 24, 49, 99])
def test_the_rank_is_exact_where_n_plus_one_times_the_level_is_whole(n: int) -> None:
    """Floats put some of these products a little above the whole number, which is the rank."""
    p = 1 - np.arange(1, n + 1) / (n + 2)
    probs = np.stack([p, 1 - p], axis=1)
    for percent in range(1, 100):
        found = conformal_threshold(probs, np.zeros(n, int), percent / 100, ConformalScore.LAC)
        rank = math.ceil((n + 1) * (1 - Fraction(percent, 100)))
        expected = rank / (n + 2) if rank <= n else math.inf
        assert found == pytest.approx(expected), percent


class Precomputed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose inputs are its probabilities."""

    def fit(self, X: Array, y: Labels) -> "Precomputed":  # noqa: N803
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Array) -> Labels:  # noqa: N803
        return np.asarray(X.argmax(axis=1), dtype=np.int64)

    def predict_proba(self, X: Array) -> Array:  # noqa: N803
        return X


def test_lac_agrees_with_mapie() -> None:
    p, labels = sample(4, n=700)
    mapie = SplitConformalClassifier(
        Precomputed().fit(p, labels), confidence_level=0.9, conformity_score="lac", prefit=True
    ).conformalize(p[:200], labels[:200])
    _, expected = mapie.predict_set(p[200:])
    threshold = conformal_threshold(p[:200], labels[:200], 0.1, ConformalScore.LAC)
    # MAPIE leaves sets empty where no option passes.
    likeliest = np.eye(4, dtype=bool)[p[200:].argmax(axis=1)]
    found = answer_sets(p[200:], threshold, ConformalScore.LAC)
    np.testing.assert_array_equal(found, expected[:, :, 0] | likeliest)


def test_aps_is_the_probability_of_what_is_at_least_as_likely() -> None:
    # MAPIE draws lots even for the scores of calibration, so the definition stands here instead.
    p, labels = sample(4, n=300)
    scores = np.array([[row[row >= one].sum() for one in row] for row in p])
    at_label = np.sort(scores[np.arange(300), labels])
    threshold = conformal_threshold(p, labels, 0.1, ConformalScore.APS)
    assert threshold == pytest.approx(at_label[int(np.ceil(301 * 0.9)) - 1])
    found = answer_sets(p, threshold + 1e-9, ConformalScore.APS)
    np.testing.assert_array_equal(found, (scores <= threshold + 1e-9) | (p == p.max(1)[:, None]))


@pytest.mark.parametrize("score", ConformalScore)
def test_too_few_items_for_a_promise_give_every_option(score: ConformalScore) -> None:
    p, labels = sample(5, n=8)
    assert conformal_threshold(p, labels, 0.1, score) == np.inf
    assert answer_sets(p, np.inf, score).all()
    assert conformal_threshold(*sample(5, n=9), 0.1, score) < np.inf


@pytest.mark.parametrize("score", ConformalScore)
def test_tied_options_share_their_fate(score: ConformalScore) -> None:
    sets = answer_sets([[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.5, 0.5, 0.0]], 0.75, score)
    assert sets[0, 1] == sets[0, 2] == sets[1, 0] == sets[1, 2]
    assert sets[2, 0] == sets[2, 1]


def test_a_worked_example() -> None:
    p = [[0.5, 0.3, 0.15, 0.05]]
    lac = answer_sets(p, 0.8, ConformalScore.LAC)
    aps = answer_sets(p, 0.8, ConformalScore.APS)
    np.testing.assert_array_equal(lac, [[True, True, False, False]])
    np.testing.assert_array_equal(aps, [[True, True, False, False]])
    np.testing.assert_array_equal(
        answer_sets(p, 0.1, ConformalScore.APS), [[True, False, False, False]]
    )


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, np.nan])
def test_refuses_what_is_no_level(value: float) -> None:
    p, labels = sample(6, n=20)
    with pytest.raises(ValueError, match="alpha must lie in"):
        conformal_threshold(p, labels, value, ConformalScore.LAC)
    with pytest.raises(ValueError, match="target_risk must lie in"):
        abstention_threshold(p, labels, value)
    with pytest.raises(ValueError, match="delta must lie in"):
        abstention_threshold(p, labels, 0.1, value)
