"""AUTO: what it compares, what it prefers, and that it can be repeated."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.auto import MIN_COMPARED, choose
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.pooling import Prior

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def sample(seed: int, n: int, temperature: float = 2.5) -> tuple[Array, Labels]:
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 1.5, (n, 4))
    draws = generator.random((n, 1))
    labels = np.minimum((softmax(honest).cumsum(axis=1) < draws).sum(axis=1), 3)
    return log_softmax(honest * temperature), labels


def test_labels_choose_a_temperature_where_that_is_the_truth() -> None:
    z, labels = sample(0, n=300)
    choice = choose(FitData(z, labels))
    assert choice.method is Method.TEMPERATURE
    table = {each.method: each for each in choice.candidates}
    chosen, identity = table[Method.TEMPERATURE], table[Method.IDENTITY]
    assert chosen.score is not None
    assert identity.score is not None
    assert identity.standard_error is not None
    assert identity.score - identity.standard_error > chosen.score
    assert table[Method.TEACHER_KL].excluded == "needs a teacher"


def test_calibrated_answers_are_left_alone() -> None:
    z, labels = sample(1, n=300, temperature=1.0)
    assert choose(FitData(z, labels)).method is Method.IDENTITY


def test_a_bias_that_no_temperature_reaches_is_found() -> None:
    z, labels = sample(2, n=600)
    choice = choose(FitData(z + np.array([0.0, 3.0, 0.0, -3.0]), labels))
    assert choice.method in {Method.VECTOR, Method.MATRIX}


def test_without_labels_a_rule_chooses() -> None:
    z, labels = sample(3, n=MIN_COMPARED - 1)
    prior = Prior(0.9, 0.1, 6)
    taught = FitData(z, teacher_logprobs=z / 2.5)
    assert choose(taught, prior).method is Method.TEACHER_POOLED
    assert choose(taught).method is Method.TEACHER_KL
    assert choose(FitData(z, labels)).method is Method.TEMPERATURE
    assert choose(FitData(z)).method is Method.IDENTITY
    assert all(each.excluded for each in choose(taught).candidates)


def test_partly_labelled_items_are_compared_on_their_labels() -> None:
    z, labels = sample(4, n=200)
    labels[::2] = -1
    choice = choose(FitData(z, labels, teacher_logprobs=z / 2.5))
    scores = {each.method: each.score for each in choice.candidates}
    assert scores[Method.TEACHER_KL] is not None
    assert scores[Method.TEMPERATURE] is not None
    # The teacher is perfect here, and the simplest of what is as good.
    assert choice.method is Method.TEACHER_KL


def test_methods_that_would_fall_back_are_not_compared() -> None:
    z, labels = sample(5, n=40)
    table = {each.method: each for each in choose(FitData(z, labels)).candidates}
    assert "needs 50 labelled items" in table[Method.ISOTONIC].excluded
    assert table[Method.ISOTONIC].score is None


def test_the_same_data_give_the_same_choice() -> None:
    z, labels = sample(6, n=80)
    data = FitData(z, labels)
    assert choose(data, seed=3) == choose(data, seed=3)
    assert choose(data, seed=3).candidates != choose(data, seed=4).candidates


@pytest.mark.parametrize("n", [20, 25, 60])
def test_answers_all_right_do_not_break_the_comparison(n: int) -> None:
    z, _ = sample(7, n=n)
    choice = choose(FitData(z, z.argmax(axis=1)))
    assert all(each.score is None or np.isfinite(each.score) for each in choice.candidates)
