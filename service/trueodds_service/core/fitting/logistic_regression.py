"""Multinomial logistic regression held near a guess: the convex problem behind several methods."""

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

# Items at a time, which bounds the memory.
_CHUNK = 4096

# Newton's decrement, in nats over all items, at which the minimum is reached but for rounding.
_DECREMENT = 1e-12
_MOST_STEPS = 100
_MOST_HALVINGS = 50

# Added to the Hessian, as a share of its mean, where no prior makes it definite.
_RIDGE = 1e-12


def softmax_regression(
    features: _Array,
    labels: NDArray[np.int64],
    weights: _Array,
    centre: _Array,
    precision: _Array,
) -> _Array:
    """The θ, (k, d), that minimises

        Σ_i weights_i · −ln softmax_a(⟨θ_a, features_ia⟩)[labels_i] + ½ Σ precision (θ − centre)²

    by damped Newton steps from ``centre``. It is convex, and of one solution where every
    ``precision``, (k, d), is above zero: a normal prior around ``centre``, which few items cannot
    leave and many do not feel. ``features``, (n, k, d), are finite.
    """
    theta = centre.copy()
    value, gradient, hessian = _expand(theta, features, labels, weights, centre, precision)
    for _ in range(_MOST_STEPS):
        hessian[np.diag_indices_from(hessian)] += _RIDGE * np.trace(hessian) / len(hessian) + _RIDGE
        step = np.linalg.solve(hessian, gradient)
        decrement = float(gradient @ step)
        if decrement <= _DECREMENT:
            break
        length = 1.0
        for _ in range(_MOST_HALVINGS):
            tried = theta - length * step.reshape(theta.shape)
            found = _expand(tried, features, labels, weights, centre, precision)
            if found[0] <= value - length * decrement / 4:
                break
            length /= 2
        else:
            break  # nothing lower but by rounding
        theta, (value, gradient, hessian) = tried, found
    return theta


def _expand(
    theta: _Array,
    features: _Array,
    labels: NDArray[np.int64],
    weights: _Array,
    centre: _Array,
    precision: _Array,
) -> tuple[float, _Array, _Array]:
    """The objective at θ, its gradient, (k · d,), and Hessian, (k · d, k · d)."""
    k, d = theta.shape
    away = theta - centre
    value = float((precision * away**2).sum() / 2)
    gradient = precision * away
    hessian = np.diag(precision.ravel())
    for start in range(0, len(labels), _CHUNK):
        part = slice(start, start + _CHUNK)
        x, label, weight = features[part], labels[part], weights[part]
        logits = np.einsum("nad,ad->na", x, theta)
        logits -= logits.max(axis=1, keepdims=True)
        probs = np.exp(logits)
        totals = probs.sum(axis=1, keepdims=True)
        probs /= totals
        items = np.arange(len(label))
        value += float(weight @ (np.log(totals[:, 0]) - logits[items, label]))
        expected = probs[..., np.newaxis] * x
        hessian -= np.einsum(
            "n,ni,nj->ij", weight, *2 * (expected.reshape(len(x), -1),), optimize=True
        )
        for a in range(k):
            own = slice(a * d, (a + 1) * d)
            hessian[own, own] += (weight[:, np.newaxis] * expected[:, a]).T @ x[:, a]
        probs[items, label] -= 1
        gradient = gradient + np.einsum("n,na,nad->ad", weight, probs, x, optimize=True)
    return value, gradient.ravel(), hessian
