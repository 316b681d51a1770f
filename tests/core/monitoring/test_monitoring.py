"""Sequential tests: fair bets, whatever the order, and alarms where a promise is broken."""

import itertools
import math

import numpy as np
import pytest

from trueodds_service.core.monitoring.better_than_raw import ImprovementTest
from trueodds_service.core.monitoring.calibrated import CalibrationTest
from trueodds_service.core.monitoring.evidence import Evidence
from trueodds_service.core.monitoring.shifted import ShiftTest
from trueodds_service.core.monitoring.wealth import Wealth

RNG = np.random.default_rng(7)


def calibrated_stream(n, rng=RNG):
    """Confidences, and answers that are right so often."""
    c = rng.uniform(0.25, 1, n)
    return c, rng.random(n) < c


def distributions(n, k, sharpness):
    logits = RNG.normal(size=(n, k)) * sharpness
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def test_bets_against_a_kept_promise_are_fair():
    """The expected wealth is one after every outcome: summed over all 2⁸ ways they can come."""
    c = np.array([0.0, 0.3, 0.55, 0.55, 0.8, 0.99, 1.0, 0.4])
    expected = dict.fromkeys(("too_high", "too_low", "any"), 0.0)
    for ways in itertools.product([False, True], repeat=len(c)):
        chance = np.where(ways, c, 1 - c).prod()
        test = CalibrationTest()
        test.add(c, ways)
        for name in expected:
            expected[name] += chance * math.exp(getattr(test, name).log_wealth)
    assert expected == pytest.approx(dict.fromkeys(expected, 1.0))


def test_bets_against_an_equally_good_calibrator_are_fair():
    """Labels come up such that both distributions are expected to have the same Brier score."""
    raw, calibrated = np.array([0.9, 0.06, 0.04]), np.array([0.7, 0.2, 0.1])
    middle = (raw + calibrated) / 2
    expected = 0.0
    for labels in itertools.product(range(3), repeat=5):
        test = ImprovementTest()
        test.add([raw] * 5, [calibrated] * 5, labels)
        expected += middle[list(labels)].prod() * math.exp(test.worse_than_raw.log_wealth)
    assert expected == pytest.approx(1.0)


def test_bets_on_values_in_any_order_are_fair():
    """The mean wealth over all orders of the same values, each with many lots, is one."""
    values = [0.1, 0.1, 0.5, 0.9, 0.95]
    worth = []
    for order in itertools.permutations(values):
        for seed in range(40):
            test = ShiftTest(seed=seed)
            test.add(order)
            worth.append(math.exp(test.shifted.log_wealth))
    # No wealth here exceeds 1.9⁵; the mean of 4,800 has a standard error of well below 0.01.
    assert np.mean(worth) == pytest.approx(1.0, abs=5 * np.std(worth) / math.sqrt(len(worth)))


@pytest.mark.parametrize("cut", [0, 1, 150, 299, 300])
def test_outcomes_may_come_in_any_portions(cut):
    c, right = calibrated_stream(300)
    raw, after = distributions(300, 4, 3), distributions(300, 4, 1)
    labels = RNG.integers(0, 4, 300)
    whole = CalibrationTest(), ImprovementTest(), ShiftTest(c[:50])
    parts = CalibrationTest(), ImprovementTest(), ShiftTest(c[:50])
    whole[0].add(c, right)
    whole[1].add(raw, after, labels)
    whole[2].add(c)
    for piece in (slice(0, cut), slice(cut, 300)):
        parts[0].add(c[piece], right[piece])
        parts[1].add(raw[piece], after[piece], labels[piece])
        parts[2].add(c[piece])
    pairs = [(whole[0].any, parts[0].any), (whole[0].too_high, parts[0].too_high)]
    pairs += [(whole[1].worse_than_raw, parts[1].worse_than_raw)]
    pairs += [(whole[2].shifted, parts[2].shifted)]
    for one, two in pairs:
        assert one.seen == two.seen == 300
        assert one.log_wealth == pytest.approx(two.log_wealth)
        assert one.largest == pytest.approx(two.largest)
        assert one.alarm_at == two.alarm_at


def test_wealth_is_what_its_parts_have_become():
    """Against the sum over the day on which each part of the stake was laid down."""
    factors = np.exp(RNG.normal(size=(12, 3)) * 0.3)
    survivor = [1 / (1 + math.log(1 + t)) for t in range(13)]
    path = Wealth(3).play(np.log(factors))
    for t in range(1, 13):
        worth = survivor[t]
        for s in range(1, t + 1):
            laid = survivor[s - 1] - survivor[s]
            worth += laid * np.mean(factors[s - 1 : t].prod(axis=0))
        assert math.exp(path[t - 1]) == pytest.approx(worth)


def test_overconfidence_is_found_and_named():
    test = CalibrationTest(alpha=0.001)
    c = np.full(600, 0.9)
    test.add(c, RNG.random(600) < 0.6)
    assert test.too_high.alarm_at is not None
    assert test.any.alarm_at is not None
    assert test.too_low.alarm_at is None
    assert test.too_low.log_wealth < 0


def test_underconfidence_is_found_and_named():
    test = CalibrationTest(alpha=0.001)
    test.add(np.full(600, 0.5), RNG.random(600) < 0.8)
    assert test.too_low.alarm_at is not None
    assert test.too_high.alarm_at is None


def test_what_is_too_high_here_and_too_low_there_is_found_in_bins():
    """All in all the confidences are right as often as they say."""
    c = np.tile([0.35, 0.85], 2000)
    test = CalibrationTest(alpha=0.001)
    test.add(c, RNG.random(4000) < np.tile([0.5, 0.7], 2000))
    assert test.any.alarm_at is not None


def test_a_promise_broken_late_is_found_soon_after():
    """20,000 good outcomes do not make it take 20,000 bad ones."""
    c, right = calibrated_stream(20_000)
    test = CalibrationTest(alpha=0.001)
    test.add(c, right)
    assert test.any.alarm_at is None
    test.add(np.full(1000, 0.9), RNG.random(1000) < 0.6)
    assert test.any.alarm_at is not None
    assert test.any.alarm_at < 20_300


def test_a_calibrator_that_makes_it_worse_is_found():
    p = distributions(3000, 4, 1)
    labels = np.array([RNG.choice(4, p=row) for row in p])
    flat = np.full_like(p, 0.25)
    worse, better = ImprovementTest(alpha=0.001), ImprovementTest(alpha=0.001)
    worse.add(p, flat, labels)
    better.add(flat, p, labels)
    assert worse.worse_than_raw.alarm_at is not None
    assert better.worse_than_raw.alarm_at is None


def test_a_calibrator_that_changes_nothing_is_no_worse():
    p = distributions(50, 3, 1)
    test = ImprovementTest()
    test.add(p, p, np.zeros(50, dtype=int))
    assert test.worse_than_raw.log_wealth == pytest.approx(0, abs=1e-12)


def test_values_from_elsewhere_are_told_apart():
    shifted, same = ShiftTest(RNG.beta(4, 2, 500)), ShiftTest(RNG.beta(4, 2, 500))
    shifted.add(RNG.beta(2, 2, 500))
    same.add(RNG.beta(4, 2, 500))
    assert shifted.shifted.alarm_at is not None
    assert same.shifted.alarm_at is None


def test_no_outcome_is_no_evidence():
    test = CalibrationTest()
    test.add([], [])
    assert (test.any.seen, test.any.log_wealth, test.any.alarm_at) == (0, 0.0, None)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_an_impossible_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        Evidence(alpha)


@pytest.mark.parametrize(
    ("c", "right", "said"),
    [
        ([0.5, math.nan], [1, 0], "confidences must lie"),
        ([1.5], [1], "confidences must lie"),
        ([[0.5]], [1], "confidences must have shape"),
        ([0.5], [1, 0], "correct must have shape"),
        ([0.5], [0.5], "correct must be booleans"),
    ],
)
def test_what_are_no_outcomes_is_refused(c, right, said):
    with pytest.raises(ValueError, match=said):
        CalibrationTest().add(c, right)


def test_an_alarm_is_the_first_outcome_that_was_enough_and_stays_it():
    evidence = Evidence(alpha=0.01)
    evidence.follow(np.array([0.0, 1.0]))
    assert evidence.alarm_at is None
    evidence.follow(np.array([4.7, 9.0, 1.0]))
    evidence.follow(np.array([8.0]))
    assert evidence.alarm_at == 3
    assert (evidence.log_wealth, evidence.largest, evidence.seen) == (8.0, 9.0, 6)


def test_exactly_enough_is_enough():
    evidence = Evidence(alpha=0.01)
    evidence.follow(np.array([-math.log(0.01)]))
    assert evidence.alarm_at == 1


@pytest.mark.parametrize("apart", [0.3, 0.05, 0.01])
def test_a_little_worse_is_found_as_well(apart):
    """However near the two are, the bets are on which of them is nearer."""
    test = ImprovementTest()
    n = 400
    test.add([[0.6, 0.4]] * n, [[0.6 - apart, 0.4 + apart]] * n, [0] * n)
    assert test.worse_than_raw.alarm_at is not None
    assert test.worse_than_raw.alarm_at < 100
