"""The methods: what each recovers, what it reports, and what it refuses."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from netcal.scaling import TemperatureScaling as NetcalTemperature
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import log_loss

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.methods import MIN_LABELLED, MIN_TAUGHT, Method
from trueodds_service.core.calibrators.temperature import TemperatureScaling
from trueodds_service.core.fitting.confidence import fit_scaling_binning
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import CONSTANT_TEMPERATURE, FitError, Fitted, fit
from trueodds_service.core.fitting.pooling import Prior
from trueodds_service.core.fitting.temperature import Bound

Array = NDArray[np.float64]


def overconfident(
    seed: int, n: int, temperature: float = 2.5, k: int = 4
) -> tuple[Array, NDArray[np.int64]]:
    """Logprobs that are calibrated, for these labels, once divided by ``temperature``."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 1.5, (n, k))
    labels = [generator.choice(k, p=row) for row in softmax(honest)]
    return log_softmax(honest * temperature), np.array(labels)


def from_labels(z: Array, labels: Any, method: Method = Method.TEMPERATURE) -> Fitted:
    return fit(method, FitData(z, labels))


def from_teacher(z: Array, teacher: Array, method: Method = Method.TEACHER_KL) -> Fitted:
    return fit(method, FitData(z, teacher_logprobs=teacher))


def temperature_of(fitted: Fitted) -> float:
    (temperature,) = fitted.calibrator.parameters["temperature"]
    return temperature


def test_identity_leaves_the_answer_distribution() -> None:
    assert fit(Method.IDENTITY) == Fitted(Method.IDENTITY, TemperatureScaling(1.0))


def test_the_constant_is_the_papers_unless_given() -> None:
    assert temperature_of(fit(Method.CONSTANT)) == CONSTANT_TEMPERATURE
    assert temperature_of(fit(Method.CONSTANT, temperature=1.7)) == 1.7
    with pytest.raises(ValueError, match="temperature must be finite"):
        fit(Method.CONSTANT, temperature=0.0)


def test_labels_find_the_temperature_of_many_items() -> None:
    result = from_labels(*overconfident(seed=0, n=20_000))
    assert temperature_of(result) == pytest.approx(2.5, rel=0.03)
    assert (result.method, result.n_items) == (Method.TEMPERATURE, 20_000)
    assert (result.at_bound, result.undetermined) == (Bound.NONE, False)


@given(st.integers(0, 2**32 - 1), st.integers(MIN_LABELLED, 60))
def test_the_objective_with_labels_is_scikit_learns_log_loss(seed: int, n: int) -> None:
    z, labels = overconfident(seed, n, temperature=1.5)
    result = from_labels(z, labels)
    assert result.objective_before is not None
    assert result.objective_after is not None
    if result.at_bound is Bound.LOWER:
        return  # probabilities reach the clipping of log_loss
    after = log_loss(labels, result.calibrator.apply(z), labels=range(4))
    assert result.objective_before == pytest.approx(log_loss(labels, softmax(z), labels=range(4)))
    assert result.objective_after == pytest.approx(after)
    assert result.objective_after <= result.objective_before


def test_no_worse_than_netcal_with_labels() -> None:
    z, labels = overconfident(seed=1, n=2_000)
    reference = NetcalTemperature()
    reference.fit(softmax(z), labels)
    calibrated = reference.transform(softmax(z))
    result = from_labels(z, labels)
    assert result.objective_after is not None
    # netcal computes in float32 and stops early: near, and never better.
    np.testing.assert_allclose(result.calibrator.apply(z), calibrated, atol=0.01)
    assert result.objective_after <= log_loss(labels, calibrated)


@given(st.integers(0, 2**32 - 1), st.integers(MIN_TAUGHT, 40), st.floats(0.1, 15))
def test_a_teacher_at_another_temperature_is_matched_exactly(
    seed: int, n: int, planted: float
) -> None:
    z, _ = overconfident(seed, n, temperature=planted)
    result = from_teacher(z, z / planted)
    assert temperature_of(result) == pytest.approx(planted, rel=1e-6)
    assert result.objective_after == pytest.approx(0, abs=1e-11)
    assert (result.method, result.n_items) == (Method.TEACHER_KL, n)


def test_the_objective_with_a_teacher_is_the_divergence() -> None:
    z, _ = overconfident(seed=2, n=30)
    teacher = np.random.default_rng(3).normal(0, 1, z.shape)
    result = from_teacher(z, teacher)
    p = softmax(teacher)

    def divergence(q: Array) -> float:
        return float(special.rel_entr(p, q).sum(axis=1).mean())

    assert result.objective_before == pytest.approx(divergence(softmax(z)))
    assert result.objective_after == pytest.approx(divergence(result.calibrator.apply(z)))


def test_few_items_say_more_with_a_teacher_than_with_labels() -> None:
    """The paper's case for its method: five unlabelled items against five labelled ones."""
    taught, labelled = [], []
    for seed in range(200):
        z, labels = overconfident(seed, n=MIN_LABELLED)
        noise = np.random.default_rng(seed).normal(0, 0.5, z.shape)
        taught.append(math.log(temperature_of(from_teacher(z, z / 2.5 + noise)) / 2.5))
        labelled.append(math.log(temperature_of(from_labels(z, labels)) / 2.5))
    assert np.std(taught) < np.std(labelled) / 3


def test_degenerate_data_are_flagged() -> None:
    z, _ = overconfident(seed=4, n=10)
    right, wrong = z.argmax(axis=1), z.argmin(axis=1)
    assert from_labels(z, right).at_bound is Bound.LOWER
    assert from_labels(z, wrong).at_bound is Bound.UPPER
    assert from_teacher(z, -z).at_bound is Bound.UPPER
    flat = from_teacher(np.zeros_like(z), z)
    assert (flat.undetermined, temperature_of(flat)) == (True, 1.0)


def test_the_minimum_counts_are_enough_and_one_less_is_not() -> None:
    z, labels = overconfident(seed=5, n=MIN_LABELLED)
    assert from_labels(z, labels).n_items == MIN_LABELLED
    assert from_teacher(z[:MIN_TAUGHT], z[:MIN_TAUGHT]).n_items == MIN_TAUGHT
    with pytest.raises(FitError, match="temperature needs at least 5 labelled items, got 4"):
        from_labels(z[1:], labels[1:])
    with pytest.raises(FitError, match="teacher_kl needs at least 2 items, got 1"):
        from_teacher(z[:1], z[:1])


def test_two_items_on_which_both_agree_are_enough_for_agreement() -> None:
    z, _ = overconfident(seed=6, n=12)
    teacher = np.roll(z, 1, axis=1) / 2
    teacher[:MIN_TAUGHT] = z[:MIN_TAUGHT] / 2
    agreeing = from_teacher(z, teacher, Method.AGREEMENT_KL)
    assert agreeing.fallback == ""
    assert agreeing.n_items == MIN_TAUGHT
    teacher[0] = np.roll(z[0], 1)
    alone = from_teacher(z, teacher, Method.AGREEMENT_KL)
    assert alone.fallback == "teacher_kl on all items: model and teacher agree on 1 only"
    assert alone.n_items == len(z)


def test_confidence_that_misleads_is_flattened_and_never_turned_around() -> None:
    """Beta calibration with a, b ≥ 0 (Kull et al. 2017): the best such map here is nearly flat."""
    generator = np.random.default_rng(7)
    z = log_softmax(generator.normal(0, 2, (4000, 4)))
    confidence = softmax(z).max(axis=1)
    is_right = generator.random(len(z)) < 1.2 - confidence
    labels = np.where(is_right, z.argmax(axis=1), z.argmin(axis=1))
    calibrated = from_labels(z, labels, Method.BETA).calibrator.apply(z).max(axis=1)
    assert np.ptp(calibrated) < 0.05
    assert calibrated.mean() == pytest.approx(is_right.mean(), abs=0.02)


def test_scaling_binning_of_one_item_a_bin_tells_each_its_own_confidence() -> None:
    z, labels = overconfident(seed=8, n=10)
    data = FitData(z, labels)
    confidence = np.sort(softmax(z).max(axis=1))
    found = fit_scaling_binning(data, temperature=1.0, bins=10)
    assert found.parameters["calibrated"] == pytest.approx(confidence)


@pytest.mark.parametrize("options", [2, 5, 10])
def test_scaling_binning_tells_a_question_the_same_alone_and_among_others(options: int) -> None:
    """Its edges are no item's confidence, whose last digit differs by how many are summed."""
    generator = np.random.default_rng(options)
    z = generator.normal(size=(200, options)) * 3
    z[100:] = z[:100][:, ::-1]  # ties
    labels = generator.integers(options, size=200)
    calibrator = from_labels(z, labels, Method.SCALING_BINNING).calibrator
    together = calibrator.apply(z)
    alone = np.stack([calibrator.apply(row + 7.3) for row in z])
    np.testing.assert_allclose(alone, together, atol=1e-9)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="temperature needs logprobs"):
        fit(Method.TEMPERATURE)
    with pytest.raises(ValueError, match="teacher_kl needs teacher_logprobs"):
        fit(Method.TEACHER_KL, FitData(np.zeros((9, 4))))
    with pytest.raises(FitError, match="temperature needs at least 5 labelled items, got 0"):
        fit(Method.TEMPERATURE, FitData(np.zeros((9, 4))))


@pytest.mark.parametrize(
    ("z", "teacher"),
    [
        (np.eye(4) * 9, np.zeros((4, 4))),  # T of their own at its upper bound
        (np.eye(4), np.eye(4) * 2000),  # at the lower one
        (np.zeros((5, 4)), np.eye(4)[[0, 1, 2, 3, 0]]),  # undetermined
    ],
)
def test_pooling_without_a_temperature_of_its_own_says_that_it_is_the_priors(
    z: Array, teacher: Array
) -> None:
    prior = Prior(np.log(2.0), 0.2, 5)
    pooled = fit(Method.TEACHER_POOLED, FitData(z, teacher_logprobs=teacher), prior=prior)
    assert temperature_of(pooled) == pytest.approx(2.0)
    assert pooled.fallback == "the prior's mean: the items alone give no temperature"
    # Neither is true of this temperature.
    assert (pooled.at_bound, pooled.undetermined) == (Bound.NONE, False)


def test_pooling_with_a_temperature_of_its_own_is_no_fallback() -> None:
    z, _ = overconfident(seed=9, n=40)
    data = FitData(z, teacher_logprobs=z / 2.5 + np.random.default_rng(9).normal(0, 0.1, z.shape))
    assert fit(Method.TEACHER_POOLED, data, prior=Prior(np.log(2.0), 0.2, 5)).fallback == ""
