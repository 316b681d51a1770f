"""What calibration errors come to by chance alone."""

import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest

from trueodds_service.core.metrics.evaluate import evaluate
from trueodds_service.core.metrics.null_errors import ERRORS, null_errors
from trueodds_service.core.metrics.reliability import null_ece


@pytest.fixture
def probs():
    return np.random.default_rng(11).dirichlet(np.full(4, 0.6), size=100)


def test_they_are_the_mean_over_labels_drawn_from_the_distributions(probs):
    """The same, done plainly: draw labels, measure, average."""
    generator = np.random.default_rng(12)
    found = {name: [] for name in ERRORS}
    for _ in range(100):
        labels = np.array([generator.choice(4, p=row) for row in probs])
        for name, values in found.items():
            values.append(asdict(evaluate(probs, labels))[name])
    for name, value in null_errors(probs).items():
        error = np.std(found[name]) * np.sqrt(2 / 100)
        assert value == pytest.approx(np.mean(found[name]), abs=4 * error), name


def test_that_of_equal_mass_is_that_of_the_confidences(probs):
    expected = null_ece(probs.max(axis=1), binning="equal_mass")
    assert null_errors(probs)["ece_equal_mass"] == pytest.approx(expected, rel=0.1)


def test_more_items_leave_less_to_chance(probs):
    many, few = null_errors(np.tile(probs, (10, 1))), null_errors(probs)
    assert all(many[name] < few[name] for name in ERRORS)


def test_what_is_certain_leaves_nothing_to_chance():
    certain = np.eye(3)[[0, 1, 2, 1]]
    found = null_errors(certain)
    assert {name: round(value, 9) for name, value in found.items() if name != "ece_smooth"} == {
        name: 0.0 for name in ERRORS if name != "ece_smooth"
    }
    assert found["ece_smooth"] < 0.006, "the narrowest Gaussian's width"


def test_the_same_arguments_give_the_same_result_in_blocks_of_any_size(probs, monkeypatch):
    first = null_errors(probs)
    assert null_errors(probs) == first
    monkeypatch.setattr("trueodds_service.core.metrics.bootstrap._BLOCK", 800)
    assert null_errors(probs) == pytest.approx(first)


def test_many_options_take_no_more_memory_than_some_arrays_of_theirs():
    probs = np.random.default_rng(13).dirichlet(np.full(255, 0.6), size=1000)
    tracemalloc.start()
    try:
        null_errors(probs, draws=10)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * probs.nbytes


def test_rows_that_sum_to_a_little_less_than_one_are_taken():
    assert null_errors(np.full((5, 3), (1 - 1e-9) / 3))["mce"] >= 0


@pytest.mark.parametrize("probs", [np.empty((0, 4)), [[0.5, 0.6]], [[np.nan, 1.0]]])
def test_what_is_no_distribution_is_refused(probs):
    with pytest.raises(ValueError, match="probs"):
        null_errors(probs)
