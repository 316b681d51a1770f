"""Fits of the maps of confidence: isotonic, kernel densities, beta, scaling-binning."""

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import choice
from trueodds_service.core.calibrators.confidence import BetaMap, BinnedScaling, CurveMap
from trueodds_service.core.calibrators.confidence_split import Split
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.logistic_regression import softmax_regression
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS, bin_of, edges_of

_Array = NDArray[np.float64]

# Precision of the normal prior that holds beta's a and b near 1 and its shift near 0.
BETA_PRECISION = 1.0

# Knots at which the densities are evaluated: closer than any kernel is wide.
_GRID = np.linspace(0.0, 1.0, 257)

# The narrowest kernel, half of one of ten bins: an item says nothing beyond its neighbourhood, and
# confidences that are all equal have no width of their own.
_LEAST_BANDWIDTH = 0.05


def correct_of(data: FitData) -> NDArray[np.bool_]:
    """Whether the choice is right, (n,); all items labelled."""
    return np.asarray((0 if data.alone else choice(data.logprobs)) == data.answers)


def _split(data: FitData) -> Split:
    return Split.of_confidences(data.logprobs) if data.alone else Split.of(data.logprobs)


def fit_isotonic(data: FitData) -> CurveMap:
    """The ascending map with the least squared error: Zadrozny and Elkan 2002 (KDD).

    Held within [1 / (n + 2), 1 − 1 / (n + 2)], what Laplace's rule of succession makes of none
    and of all of n: no count of items proves certainty.
    """
    confidence = _split(data).confidence
    x, place = np.unique(confidence, return_inverse=True)
    weights = np.bincount(place, weights=data.item_weights).astype(np.float64)
    right = np.bincount(place, weights=data.item_weights * correct_of(data))
    held = weights > 0
    x, weights, right = x[held], weights[held], right[held]
    level = _ascending(right / weights, weights)
    # The line between knots can bend only where a level begins or ends.
    knots = np.ones(len(x), dtype=np.bool_)
    knots[1:-1] = (level[1:-1] != level[:-2]) | (level[1:-1] != level[2:])
    return _curve(x[knots], level[knots], data.item_weights.sum())


def fit_kde(data: FitData) -> CurveMap | None:
    """f_right / (f_right + f_wrong), densities of confidence: He et al. 2023, Eq. 5.

    Gaussian kernels, as wide as Scott 1992 has it, each density normalised for itself. None where
    every answer is right, or every one wrong. Held within the bounds of ``fit_isotonic``.
    """
    confidence, right, weights = (
        _split(data).confidence,
        correct_of(data) & (data.item_weights > 0),
        data.item_weights,
    )
    wrong = ~right & (weights > 0)
    if not (right.any() and wrong.any()):
        return None
    log_odds = _log_density(confidence[right], weights[right]) - _log_density(
        confidence[wrong], weights[wrong]
    )
    return _curve(_GRID, 1 / (1 + np.exp(-np.clip(log_odds, -700, 700))), weights.sum())


def fit_beta(data: FitData, precision: float = BETA_PRECISION) -> BetaMap:
    """Logistic regression of the answer being right on ln c and −ln(1 − c).

    With a prior around the identity, which few items cannot leave. A coefficient that would be
    negative is left out, as Kull et al. 2017 do, so that the map ascends.
    """
    log_c, log_rest = _split(data).log_odds_parts
    features = np.zeros((len(log_c), 2, 3))
    features[:, 0] = np.stack([log_c, -log_rest, np.ones(len(log_c))], axis=1)
    labels = np.where(correct_of(data), 0, 1)
    centre = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    held = np.full((2, 3), precision)
    for _ in range(3):
        theta = softmax_regression(features, labels, data.item_weights, centre, held)[0]
        worst = int(theta[:2].argmin())
        if theta[worst] >= 0:
            break
        features[:, 0, worst] = 0.0
        centre[0, worst] = 0.0
    a, b, shift = theta.tolist()
    return BetaMap(max(a, 0.0), max(b, 0.0), shift)


def fit_scaling_binning(
    data: FitData, temperature: float, bins: int = DEFAULT_BINS
) -> BinnedScaling:
    """Mean confidence, after the temperature, in bins of equal mass: Kumar et al. 2019.

    Of confidences alone the mean after ``fit_beta``: a temperature draws them all to a half.
    """
    split, weights = _split(data), data.item_weights
    if data.alone:
        temperature, confidence = 1.0, split.confidence
        scaled = fit_beta(data).confidence_of(split)
    else:
        confidence = scaled = split.at(temperature).confidence
    edges = edges_of(confidence, bins, "equal_mass", weights)
    place = bin_of(confidence, edges)
    size = len(edges) - 1
    total = np.bincount(place, weights=weights, minlength=size)
    mean = np.bincount(place, weights=weights * scaled, minlength=size)
    middle = (edges[:-1] + edges[1:]) / 2
    calibrated = np.where(total > 0, mean / np.where(total > 0, total, 1.0), middle)
    calibrated = np.clip(calibrated, 0.0, 1.0)
    edges[1:-1] = _above(edges[1:-1], confidence)
    return BinnedScaling(temperature, tuple(edges.tolist()), tuple(calibrated.tolist()))


def _above(edges: _Array, confidence: _Array) -> _Array:
    """Edges half-way from those given, which are confidences, to the next one.

    What is stored holds lower ≤ c < upper: on which side an item of the fit lies must not depend on
    a last digit, which differs with how many items are summed at once.
    """
    known = np.append(np.unique(confidence), 1.0)
    following = known[np.searchsorted(known[:-1], edges, side="right")]
    return np.asarray(np.maximum((edges + following) / 2, np.nextafter(edges, 1.0)))


def _ascending(values: _Array, weights: _Array) -> _Array:
    """The ascending sequence nearest to ``values``, by pooling adjacent violators (Ayer 1955)."""
    levels: list[tuple[float, float, int]] = []  # sum of weights, mean, length
    for value, count in zip(values.tolist(), weights.tolist(), strict=True):
        total, mean, length = count, value, 1
        while levels and levels[-1][1] >= mean:
            below, lower, more = levels.pop()
            mean = (total * mean + below * lower) / (total + below)
            total, length = total + below, length + more
        levels.append((total, mean, length))
    return np.repeat([mean for _, mean, _ in levels], [length for _, _, length in levels])


def _log_density(values: _Array, weights: _Array) -> _Array:
    """Logarithm of the density at the knots, up to a constant that both classes share."""
    total = weights.sum()
    centred = values - weights @ values / total
    spread = np.sqrt(weights @ centred**2 / max(total - 1, 1.0))
    bandwidth = max(float(spread) * float(total) ** -0.2, _LEAST_BANDWIDTH)
    density = np.empty(len(_GRID))
    for place, at in enumerate(_GRID):
        exponents = -0.5 * ((at - values) / bandwidth) ** 2
        highest = exponents.max()
        density[place] = highest + np.log(weights @ np.exp(exponents - highest))
    return np.asarray(density - np.log(total * bandwidth))


def _curve(x: _Array, y: _Array, count: float) -> CurveMap:
    least = 1 / (count + 2)
    return CurveMap(tuple(x.tolist()), tuple(np.clip(y, least, 1 - least).tolist()))
