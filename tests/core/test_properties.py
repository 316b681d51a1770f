"""All methods × all properties, seeded, on good data and on degenerate data."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.from_parameters import calibrator_of
from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting.bias import batch_prior, contextual_prior
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import FitError, Fitted, fit
from trueodds_service.core.fitting.pooling import Prior
from trueodds_service.core.metrics.evaluate import nll

Array = NDArray[np.float64]

METHODS = [*Method]
PRIOR = Prior(np.log(2.2), 0.2, 6)
SIZES = (5, 20, 60, 400)


def sample(seed: int, n: int, k: int = 4, temperature: float = 2.5) -> FitData:
    """Overconfident items with labels, and a teacher who is calibrated but for some noise."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 1.5, (n, k))
    draws = generator.random((n, 1))
    labels = np.minimum((softmax(honest).cumsum(axis=1) < draws).sum(axis=1), k - 1)
    teacher = honest + generator.normal(0, 0.3, (n, k))
    return FitData(log_softmax(honest * temperature), labels, log_softmax(teacher))


def fitted(method: Method, data: FitData) -> Fitted:
    return fit(method, data, prior=PRIOR)


def degenerate() -> Mapping[str, FitData]:
    """Data on which a careless fit returns NaN, an infinity, or its input without a word."""
    good = sample(0, 60)
    z, teacher = good.logprobs, good.taught
    flat = np.full_like(z, np.log(0.25))
    return {
        "all right": FitData(z, z.argmax(axis=1), teacher),
        "all wrong": FitData(z, z.argmin(axis=1), teacher),
        "all right, five": FitData(z[:5], z[:5].argmax(axis=1), teacher[:5]),
        "all wrong, five": FitData(z[:5], z[:5].argmin(axis=1), teacher[:5]),
        "flat": FitData(flat, good.labels, flat),
        "flat model": FitData(flat, good.labels, teacher),
        "flat teacher": FitData(z, good.labels, flat),
        "one class": FitData(z, np.zeros(60, dtype=np.int64), teacher),
        "one item repeated": FitData(
            *(np.repeat(a[:1], 60, axis=0) for a in (z, good.answers, teacher))
        ),
        "certain": FitData(z * 1e4, good.labels, teacher),
        "enormous": FitData(z * 1e300, good.labels, teacher * 1e300),
        "disagreeing teacher": FitData(z, good.labels, -z),
        "one option": FitData(z[:, :1], np.zeros(60, dtype=np.int64), teacher[:, :1]),
        "two options": FitData(z[:, :2], good.answers % 2, teacher[:, :2]),
        "one weight": FitData(z, good.labels, teacher, weights=np.eye(60)[3]),
    }


def questions(k: int = 4) -> Array:
    """What calibrators are applied to: ordinary rows, ties, certainty, options without mass."""
    generator = np.random.default_rng(9)
    rows = log_softmax(generator.normal(0, 4, (200, k)))
    special = np.zeros((5, k))
    special[1, 0] = special[2, 1:] = -np.inf
    special[3, 0], special[4, -1] = 800.0, -1e300
    if k == 1:
        special[:] = 0.0
    return np.vstack([rows, special])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", SIZES)
def test_gives_probabilities(method: Method, n: int) -> None:
    z = questions()
    probs = fitted(method, sample(1, n)).calibrator.apply(z)
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-12)
    assert (probs[np.isneginf(z)] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", degenerate())
def test_survives_degenerate_data(method: Method, name: str) -> None:
    data = degenerate()[name]
    z = questions(data.logprobs.shape[1])
    result = fitted(method, data)
    probs = result.calibrator.apply(z)
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-9)
    for numbers in result.calibrator.parameters.values():
        assert np.isfinite(numbers).all()
    for objective in (result.objective_before, result.objective_after):
        assert objective is None or np.isfinite(objective)


@pytest.mark.parametrize("method", METHODS)
def test_five_items_give_a_fit_or_a_stated_fallback(method: Method) -> None:
    spec = SPECS[method]
    for seed in range(50):
        result = fitted(method, sample(seed, 5))
        if spec.own_items > 5:
            assert result.fallback.startswith("temperature: 5 labelled items")
        if not spec.keeps_choice:
            only_temperature = result.calibrator.parameters.keys() == {"temperature"}
            assert only_temperature == result.fallback.startswith("temperature:")
    if spec.min_items:
        with pytest.raises(FitError, match=f"{method} needs at least {spec.min_items}"):
            fitted(method, sample(0, spec.min_items - 1))


@pytest.mark.parametrize("method", METHODS)
def test_comes_back_from_its_parameters(method: Method) -> None:
    for n in SIZES:
        calibrator = fitted(method, sample(2, n)).calibrator
        assert calibrator_of(method, calibrator.parameters) == calibrator
        biased = fit(method, sample(2, n), prior=PRIOR, log_prior=[0.1, 0.0, 0.2, -0.3]).calibrator
        assert calibrator_of(method, biased.parameters) == biased


@pytest.mark.parametrize("method", [m for m in METHODS if SPECS[m].keeps_choice])
@pytest.mark.parametrize("n", SIZES)
def test_keeps_the_choice_where_it_says_so(method: Method, n: int) -> None:
    z = questions()
    probs = fitted(method, sample(3, n)).calibrator.apply(z)
    at_choice = probs[np.arange(len(z)), z.argmax(axis=1)]
    np.testing.assert_array_equal(at_choice, probs.max(axis=1))


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m not in {Method.VECTOR, Method.MATRIX, Method.KDE}]
)
@pytest.mark.parametrize("n", SIZES)
def test_a_more_confident_answer_stays_more_confident(method: Method, n: int) -> None:
    """Of two options, the map of the likelier one's probability ascends."""
    z = np.zeros((300, 2))
    z[:, 1] = -np.geomspace(1e-3, 60, 300)
    probs = fitted(method, sample(4, n, k=2)).calibrator.apply(z)[:, 0]
    assert (np.diff(probs) >= -1e-12).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", SIZES)
def test_names_of_options_do_not_matter(method: Method, n: int) -> None:
    data, order = sample(5, n), np.array([2, 0, 3, 1])
    place = order.argsort()
    renamed = FitData(data.logprobs[:, order], place[data.answers], data.taught[:, order])
    z = questions()
    expected = fitted(method, data).calibrator.apply(z)
    found = fitted(method, renamed).calibrator.apply(z[:, order])
    np.testing.assert_allclose(found, expected[:, order], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_added_to_the_logits_does_not_matter(method: Method) -> None:
    data = sample(6, 80)
    shift = np.random.default_rng(7).normal(0, 20, (80, 1))
    shifted = FitData(data.logprobs + shift, data.labels, data.taught - shift)
    z = questions()[:200]
    expected = fitted(method, data).calibrator.apply(z)
    np.testing.assert_allclose(fitted(method, shifted).calibrator.apply(z), expected, atol=1e-6)
    np.testing.assert_allclose(fitted(method, data).calibrator.apply(z + 7), expected, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_items_does_not_matter(method: Method) -> None:
    data = sample(7, 80)
    order = np.random.default_rng(8).permutation(80)
    z = questions()
    expected = fitted(method, data).calibrator.apply(z)
    np.testing.assert_allclose(
        fitted(method, data.take(order)).calibrator.apply(z), expected, atol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [60, 200])
def test_weights_count_as_repetitions(method: Method, n: int) -> None:
    data = sample(8, n)
    times = np.random.default_rng(9).integers(1, 4, n)
    weighted = FitData(data.logprobs, data.labels, data.taught, weights=times.astype(float))
    repeated = data.take(np.repeat(np.arange(n), times))
    z = questions()
    expected = fitted(method, repeated).calibrator.apply(z)
    np.testing.assert_allclose(fitted(method, weighted).calibrator.apply(z), expected, atol=1e-6)


# The paper's densities weigh right and wrong answers alike, however many there are of each: they
# leave alone only what is right half the time.
@pytest.mark.parametrize("method", [m for m in METHODS if m not in {Method.CONSTANT, Method.KDE}])
def test_calibrated_answers_stay(method: Method) -> None:
    data = sample(10, 20_000, temperature=1.0)
    data = FitData(data.logprobs, data.labels, data.logprobs)
    test = sample(11, 20_000, temperature=1.0)
    prior = Prior(0.0, 0.1, 6)
    probs = fit(method, data, prior=prior).calibrator.apply(test.logprobs)
    before = softmax(test.logprobs)
    assert np.abs(probs - before).mean() < 0.012
    assert nll(probs, test.answers) < nll(before, test.answers) + 0.003


@pytest.mark.parametrize("method", [m for m in METHODS if m is not Method.IDENTITY])
def test_overconfident_answers_get_better(method: Method) -> None:
    test = sample(13, 5000)
    probs = fitted(method, sample(12, 400)).calibrator.apply(test.logprobs)
    assert nll(probs, test.answers) < nll(softmax(test.logprobs), test.answers) - 0.1


@pytest.mark.parametrize(("method", "n"), [*product(METHODS, [5, 60])])
def test_labels_are_used_where_they_are_known_and_needed(method: Method, n: int) -> None:
    data = sample(14, 2 * n)
    labels = data.answers.copy()
    labels[n:] = -1
    partly = FitData(data.logprobs, labels, data.taught)
    z = questions()
    used = data.take(np.arange(n)) if SPECS[method].needs_labels else data
    expected = fitted(method, used).calibrator.apply(z)
    np.testing.assert_allclose(fitted(method, partly).calibrator.apply(z), expected, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_bias_is_taken_out_before_the_fit(method: Method) -> None:
    data = sample(15, 4000)
    bias = np.array([2.0, 0.0, -1.0, -1.0])
    skewed = FitData(data.logprobs + bias, data.labels, data.taught)
    # These items prefer no place of their own: the whole prior is what was planted.
    estimated = batch_prior(skewed.logprobs)
    np.testing.assert_allclose(estimated - estimated.mean(), bias - bias.mean(), atol=0.35)
    z = questions()[:200]
    expected = fitted(method, data).calibrator.apply(z)
    found = fit(method, skewed, prior=PRIOR, log_prior=bias).calibrator.apply(z + bias)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_items_have_no_prior() -> None:
    with pytest.raises(ValueError, match="logprobs"):
        batch_prior(np.empty((0, 4)))


def test_the_contextual_prior_makes_the_content_free_question_even() -> None:
    free = np.log([[0.5, 0.3, 0.1, 0.1]])
    np.testing.assert_allclose(softmax(free - contextual_prior(free)), np.full((1, 4), 0.25))
    assert contextual_prior(np.vstack([free, free])).sum() == pytest.approx(0)


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        (Method.TEMPERATURE, {"temperature": [0.0]}, "temperature must be finite and above zero"),
        (Method.TEMPERATURE, {"temperature": []}, "must be one number, got 0"),
        (Method.TEMPERATURE, {"temperature": [1.0, 2.0]}, "must be one number, got 2"),
        (Method.TEMPERATURE, {"weights": [1.0], "bias": [0.0]}, "does not have the parameters"),
        (Method.IDENTITY, {}, "does not have the parameters"),
        (Method.VECTOR, {"weights": [1.0, 2.0, 3.0], "bias": [0.0, 0.0]}, "do not fit"),
        (Method.MATRIX, {"weights": [1.0] * 4, "bias": [0.0, np.nan]}, "must be finite"),
        (Method.ISOTONIC, {"confidence": [0.5, 0.2], "calibrated": [0.1, 0.2]}, "must ascend"),
        (Method.KDE, {"confidence": [0.5], "calibrated": [1.2]}, r"must lie in \[0, 1\]"),
        (Method.ISOTONIC, {"confidence": [], "calibrated": []}, "at least one"),
        (Method.BETA, {"a": [-1.0], "b": [1.0], "shift": [0.0]}, "a, b >= 0"),
        (
            Method.SCALING_BINNING,
            {"temperature": [1.0], "edges": [0.0, 1.0], "calibrated": [0.2, 0.3]},
            "edges must be one more",
        ),
        (Method.IDENTITY, {"temperature": [1.0], "log_prior": [np.inf, 0.0]}, "log_prior must"),
    ],
)
def test_malformed_parameters_are_refused(
    method: Method, parameters: dict[str, list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibrator_of(method, parameters)
