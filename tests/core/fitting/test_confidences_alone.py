"""Maps of confidences of which nothing else is known, also of those below a half."""

import numpy as np
import pytest

from trueodds_service.core.calibrators.from_parameters import calibrator_of
from trueodds_service.core.calibrators.methods import CONFIDENCE_MAPS, Method
from trueodds_service.core.fitting.auto import choose
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.metrics.reliability import ece

N = 2_000
MAPS = [method for method in CONFIDENCE_MAPS if method is not Method.IDENTITY]


def alone(confidence, correct):
    scores = np.column_stack([np.log(confidence), np.log1p(-confidence)])
    return FitData(scores, np.where(correct, 0, 1), alone=True)


def claims(n=N, seed=0, low=0.02):
    """Confidences in all of (0, 1), with log odds that are four times the real ones."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(low, 0.98, n)
    odds = (confidence / (1 - confidence)) ** 0.25
    return confidence, rng.random(n) < odds / (1 + odds)


@pytest.mark.parametrize("method", MAPS)
def test_confidences_below_a_half_are_mapped_as_those_above(method):
    calibrator = fit(method, alone(*claims())).calibrator
    confidence, correct = claims(seed=1)
    probs = calibrator.apply(alone(confidence, correct).logprobs)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert ece(probs[:, 0], correct) < ece(confidence, correct) / 3
    low = confidence < 0.5
    assert ece(probs[low, 0], correct[low]) < ece(confidence[low], correct[low]) / 2


@pytest.mark.parametrize("method", [Method.ISOTONIC, Method.KDE, Method.BETA])
def test_the_map_is_that_of_rows_with_these_confidences(method):
    """What the other options have makes no difference: here there are three that share the rest."""
    confidence, correct = claims(low=0.3)
    rows = np.column_stack([confidence, *[(1 - confidence) / 3] * 3])
    of_rows = fit(method, FitData(np.log(rows), np.where(correct, 0, 1)))
    of_alone = fit(method, alone(confidence, correct))
    for name, values in of_rows.calibrator.parameters.items():
        np.testing.assert_allclose(of_alone.calibrator.parameters[name], values, rtol=1e-6)


@pytest.mark.parametrize("method", CONFIDENCE_MAPS)
@pytest.mark.parametrize("n", [20, N])
def test_it_is_made_again_from_its_parameters(method, n):
    """Also where it fell back to a temperature, of so few."""
    data = alone(*claims(n))
    calibrator = fit(method, data).calibrator
    again = calibrator_of(method, calibrator.parameters, alone=True)
    np.testing.assert_array_equal(again.apply(data.logprobs), calibrator.apply(data.logprobs))


def test_what_is_no_map_of_confidence_is_not_made():
    with pytest.raises(ValueError, match="no map of confidence"):
        calibrator_of(Method.VECTOR, {"weights": (1.0, 1.0), "bias": (0.0, 0.0)}, alone=True)


def test_auto_chooses_among_maps_of_confidence():
    chosen = choose(alone(*claims()))
    assert chosen.method in MAPS
    compared = {each.method for each in chosen.candidates if each.score is not None}
    assert compared == set(CONFIDENCE_MAPS)
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.05, 0.95, N)
    true = choose(alone(confidence, rng.random(N) < confidence))
    assert true.method is Method.IDENTITY


@pytest.mark.parametrize(("n", "method"), [(4, Method.IDENTITY), (5, Method.BETA)])
def test_auto_of_few(n, method):
    assert choose(alone(*claims(n))).method is method
