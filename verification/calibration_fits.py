"""The fits, beside those of scikit-learn, scipy, probmetrics, netcal, uncertainty-calibration."""

from collections.abc import Iterator

import calibration as uncertainty_calibration
import numpy as np
from benchmarks.calibration import sample
from netcal.scaling import BetaCalibration, TemperatureScaling
from numpy.typing import NDArray
from probmetrics.calibrators import MatrixScalingCalibrator, TemperatureScalingCalibrator
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from scipy.stats import gaussian_kde
from sklearn.calibration import _TemperatureScaling
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.calibrators.confidence_split import Split
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.confidence import (
    correct_of,
    fit_beta,
    fit_isotonic,
    fit_kde,
    fit_scaling_binning,
)
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.linear import fit_matrix, fit_vector
from trueodds_service.core.metrics.evaluate import mean_nll
from verification.calibration_result import agreement, at_least
from verification.comparison import Result

Array = NDArray[np.float64]

N = 2000
SEEDS = range(5)
FLOAT32 = "its optimiser works in float32 and stops early: near, and of no lower NLL"


def fits() -> Iterator[Result]:
    """One case a method and library: the largest difference over five samples."""
    yield from _temperatures()
    yield from _linear()
    yield from _confidence()


def _samples() -> list[FitData]:
    return [FitData(*sample(N, seed=seed)) for seed in SEEDS]


def _temperature(data: FitData) -> float:
    return fit(Method.TEMPERATURE, data).calibrator.parameters["temperature"][0]


def _temperatures() -> Iterator[Result]:
    found = [_temperature(data) for data in _samples()]
    expected = [1 / _TemperatureScaling().fit(d.logprobs, d.answers).beta_ for d in _samples()]
    yield agreement("temperature", "scikit-learn", N, found, expected)
    yield _no_higher_nll("scikit-learn", found, expected)
    expected = []
    for data in _samples():
        reference = TemperatureScalingCalibrator(max_bisection_steps=60)
        reference.fit(softmax(data.logprobs), data.answers)
        expected.append(float(1 / reference.invtemp_))
    yield agreement("temperature", "probmetrics", N, found, expected)
    expected = []
    for data in _samples():
        scaling = TemperatureScaling()
        scaling.fit(softmax(data.logprobs), data.answers)
        expected.append(float(1 / np.ravel(scaling.temperature)[0]))
    yield agreement("temperature", "netcal", N, found, expected, tolerance=0.05, note=FLOAT32)
    yield _no_higher_nll("netcal", found, expected)


def _no_higher_nll(library: str, found: list[float], expected: list[float]) -> Result:
    """Where two fits differ, ours is the better one: the least ratio of theirs to our NLL."""
    ratios = [
        _nll(data, theirs) / _nll(data, ours)
        for data, ours, theirs in zip(_samples(), found, expected, strict=True)
    ]
    name = "NLL of a temperature's fit"
    return at_least(name, library, N, min(ratios), 1 - 1e-12, "theirs divided by ours")


def _nll(data: FitData, temperature: float) -> float:
    return mean_nll(softmax(data.logprobs / temperature), data.answers)


def _linear() -> Iterator[Result]:
    """Without the prior that holds few items, which no other library has."""
    found, expected = [], []
    for data in _samples():
        start = np.concatenate([np.full(4, 0.4), np.zeros(4)])
        found.append(fit_vector(data, _temperature(data), 0.0, 0.0).apply(data.logprobs))
        result = minimize(_vector_nll, start, (data,), jac=True, tol=1e-12, method="BFGS")
        expected.append(np.exp(log_softmax(data.logprobs * result.x[:4] + result.x[4:], axis=1)))
    note = "without the prior"
    yield agreement("vector", "scipy", N, found, expected, note=note)
    found = [fit_matrix(d, _temperature(d), 0.0, 0.0).apply(d.logprobs) for d in _samples()]
    expected = []
    for data in _samples():
        reference = LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=10_000)
        expected.append(reference.fit(data.logprobs, data.answers).predict_proba(data.logprobs))
    yield agreement("matrix", "scikit-learn", N, found, expected, note=note)
    expected = []
    for data in _samples():
        scaling = MatrixScalingCalibrator()
        scaling.fit(softmax(data.logprobs), data.answers)
        expected.append(np.asarray(scaling.predict_proba(softmax(data.logprobs))))
    note = "without the prior; its BFGS stops at a gradient of 1e-5"
    yield agreement("matrix", "probmetrics", N, found, expected, tolerance=5e-3, note=note)


def _vector_nll(theta: Array, data: FitData) -> tuple[float, Array]:
    z, right = data.logprobs, data.answers
    logits = z * theta[:4] + theta[4:]
    logs = logits - logsumexp(logits, axis=1, keepdims=True)
    off = np.exp(logs)
    off[np.arange(N), right] -= 1
    slope = np.concatenate([(off * z).mean(axis=0), off.mean(axis=0)])
    return float(-logs[np.arange(N), right].mean()), slope


def _confidence() -> Iterator[Result]:
    grid = np.linspace(0.26, 0.999, 500)
    found, expected = [], []
    for data in _samples():
        curve = fit_isotonic(data)
        found.append(np.interp(grid, curve.confidence, curve.calibrated))
        bound = 1 / (N + 2)
        isotonic = IsotonicRegression(y_min=bound, y_max=1 - bound, out_of_bounds="clip")
        isotonic.fit(Split.of(data.logprobs).confidence, correct_of(data))
        expected.append(isotonic.predict(grid))
    yield agreement("isotonic", "scikit-learn", N, found, expected)
    found, expected, netcal = [], [], []
    for data in _samples():
        confidence = Split.of(data.logprobs).confidence
        beta = fit_beta(data, precision=0.0)
        found.append(_beta_map(grid, beta.a, beta.b, beta.shift))
        features = np.stack([np.log(confidence), -np.log1p(-confidence)], axis=1)
        reference = LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=10_000)
        reference.fit(features, correct_of(data))
        a, b = np.maximum(reference.coef_[0], 0)
        expected.append(_beta_map(grid, a, b, reference.intercept_[0]))
        scaling = BetaCalibration()
        scaling.fit(confidence, correct_of(data).astype(int))
        netcal.append(np.ravel(scaling.transform(grid)))
    yield agreement("beta", "scikit-learn", N, found, expected, note="without the prior")
    note = f"without the prior; {FLOAT32}"
    yield agreement("beta", "netcal", N, found, netcal, tolerance=0.02, note=note)
    found, expected = [], []
    for data in _samples():
        temperature = _temperature(data)
        binned = fit_scaling_binning(data, temperature)
        confidence = Split.of(data.logprobs).at(temperature).confidence
        bins = uncertainty_calibration.get_equal_bins(confidence, 10)
        expected.append(
            uncertainty_calibration.get_discrete_calibrator(confidence, bins)(confidence)
        )
        choice = data.logprobs.argmax(axis=1)
        found.append(binned.apply(data.logprobs)[np.arange(N), choice])
    yield agreement("scaling-binning", "uncertainty-calibration", N, found, expected)
    found, expected = [], []
    for data in _samples():
        densities_map = fit_kde(data)
        if densities_map is None:
            raise AssertionError("a sample of this size has answers of both kinds")
        confidence, right = Split.of(data.logprobs).confidence, correct_of(data)
        densities = []
        for each in (confidence[right], confidence[~right]):
            # In units of the deviation, as scipy has it, and at least as wide as ours.
            width = max(len(each) ** -0.2, 0.05 / each.std(ddof=1))
            densities.append(gaussian_kde(each, width)(densities_map.confidence))
        share = densities[0] / (densities[0] + densities[1])
        # Where neither density has anything, scipy divides zero by zero.
        inside = np.minimum(*densities) > 1e-9
        found.append(np.array(densities_map.calibrated)[inside])
        expected.append(np.clip(share, 1 / (N + 2), 1 - 1 / (N + 2))[inside])
    note = "Scott's widths, at least 0.05"
    yield agreement("kde", "scipy", N, np.concatenate(found), np.concatenate(expected), note=note)


def _beta_map(c: Array, a: float, b: float, shift: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-(a * np.log(c) - b * np.log1p(-c) + shift))))
