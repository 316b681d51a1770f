"""Only systems that answer alike are compared for speed."""

import numpy as np
import pytest
from benchmarks.agreement import agreement


def test_rounding_keeps_the_choices() -> None:
    theirs = [np.log([0.6, 0.3, 0.1]), np.log([0.2, 0.8])]
    found = agreement([each + 1e-6 for each in theirs], theirs)
    assert found.told == 1
    assert found.largest_difference == pytest.approx(1e-6)
    assert found.choices == 1


def test_another_answer_shows_in_the_difference() -> None:
    found = agreement([np.log([0.3, 0.6, 0.1])], [np.log([0.6, 0.3, 0.1])])
    assert found.largest_difference == pytest.approx(np.log(2))


def test_what_is_not_told_counts() -> None:
    found = agreement(
        [np.array([-1.0, np.nan]), np.array([-1.0, -2.0])], [np.array([-1.0, -2.0])] * 2
    )
    assert found.told == 0.75
    assert found.largest_difference == 0


def test_ties_are_no_disagreement() -> None:
    mine, theirs = np.array([-1.0, -1.0 + 1e-4]), np.array([-1.0, -1.0])
    assert np.isnan(agreement([mine], [theirs]).choices)
