"""The prior that follows the number of options: what it is, and what it comes to."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies.option_pooling import Cell, prior_by_options

from trueodds_service.core.fitting.pooling import (
    LEAST_SCATTER,
    MIN_TASKS,
    TaskEstimate,
    pooled_prior,
)

estimates = st.builds(TaskEstimate, st.floats(-3.0, 3.0), st.floats(1e-2, 2.0))
cells = st.builds(Cell, st.sampled_from("abcd"), st.integers(2, 9))
known = st.dictionaries(cells, estimates, min_size=MIN_TASKS + 1, max_size=12)
OWN = Cell("own", 3)


@given(st.lists(estimates, min_size=MIN_TASKS, max_size=12))
def test_it_is_the_services_where_all_have_as_many_options(found: list[TaskEstimate]) -> None:
    others = {Cell(str(place), 3): each for place, each in enumerate(found)}
    prior, expected = prior_by_options(others, OWN), pooled_prior(found)
    assert prior is not None
    assert expected is not None
    assert prior.tasks == expected.tasks
    assert prior.mean == pytest.approx(expected.mean, abs=1e-6)
    assert prior.deviation == pytest.approx(expected.deviation, rel=1e-6)


@given(known, cells, st.randoms())
def test_the_order_of_the_cells_changes_nothing(found, of, random) -> None:
    items = list(found.items())
    random.shuffle(items)
    one, other = prior_by_options(found, of), prior_by_options(dict(items), of)
    assert one is not None
    assert other is not None
    assert other.mean == pytest.approx(one.mean, abs=1e-6)
    assert other.deviation == pytest.approx(one.deviation, rel=1e-6)


@given(known, cells, st.floats(0, 2), st.floats(0, 0.95))
def test_it_is_a_normal_distribution_conditioned_on_the_estimates(
    found, of, slope: float, share: float
) -> None:
    """With the intercept as one more normal effect, of next to no precision."""
    prior = prior_by_options(found, of, slope=slope, task_share=share)
    assert prior is not None
    told = {cell: each for cell, each in found.items() if cell != of}
    every = [of, *told]
    values = np.array([each.log_t for each in told.values()])
    logs = np.log([cell.options for cell in every])
    same = np.array([[one.task == other.task for one in every] for other in every])
    errors = np.diag([0.0, *(each.standard_error**2 for each in told.values())])
    # b · ln n is the same as b · (ln n - c) under an intercept that may be anything.
    by_slope = slope**2 * np.outer(logs - logs[0], logs - logs[0])

    def conditioned(scatter: float) -> tuple[float, float]:
        effects = scatter * (share * same + (1 - share) * np.eye(len(every)))
        joint = errors + by_slope + effects + 1e5
        gain = np.linalg.solve(joint[1:, 1:], joint[1:, 0])
        return float(gain @ values), float(joint[0, 0] - gain @ joint[1:, 0])

    # The width grows with the scatter, so between the two scatters that it lies between is ours.
    low, high = LEAST_SCATTER**2, 2000.0
    for _ in range(80):
        scatter = (low + high) / 2
        wide = conditioned(scatter)[1] > prior.deviation**2
        low, high = (low, scatter) if wide else (scatter, high)
    mean, variance = conditioned(low)
    assert math.sqrt(variance) == pytest.approx(prior.deviation, rel=1e-3)
    assert mean == pytest.approx(prior.mean, abs=1e-2)


def line(slope: float, error: float, tasks: int = 12) -> dict[Cell, TaskEstimate]:
    """Tasks on one line in ln n."""
    return {
        Cell(str(task), options): TaskEstimate(1 + slope * math.log(options), error)
        for task in range(tasks)
        for options in (2, 4)
    }


@pytest.mark.parametrize("slope", [-1.0, -0.3, 0.0, 0.5])
@pytest.mark.parametrize("options", [2, 3, 4, 8])
def test_a_line_is_found_where_the_errors_vanish(slope: float, options: int) -> None:
    prior = prior_by_options(line(slope, 1e-3), Cell("own", options))
    assert prior is not None
    assert prior.mean == pytest.approx(1 + slope * math.log(options), abs=0.01)


def test_the_slope_is_drawn_to_zero_by_its_error() -> None:
    """From two and four options to sixteen."""
    at = [prior_by_options(line(1.0, error), Cell("own", 16)) for error in (1e-3, 1.0, 30.0)]
    middle = 1 + math.log(math.sqrt(8))
    means = [prior.mean for prior in at if prior is not None]
    assert means[0] == pytest.approx(1 + math.log(16), abs=0.02)
    assert means[0] > means[1] > means[2]
    assert means[2] == pytest.approx(middle, abs=0.05)


def test_the_tasks_own_tell_more_than_another_tasks() -> None:
    base = {Cell(task, options): TaskEstimate(1.0, 0.1) for task in "xyz" for options in (2, 4)}

    def moved(task: str) -> float:
        found = {
            cell: TaskEstimate(1.3 if cell.task == task else each.log_t, each.standard_error)
            for cell, each in base.items()
        }
        prior = prior_by_options(found, Cell("x", 3))
        assert prior is not None
        return prior.mean

    assert moved("x") > moved("y") + 0.05


def test_the_same_task_alone_is_enough_and_one_cell_is_not() -> None:
    two = {Cell("x", 2): TaskEstimate(0.9, 0.1), Cell("x", 4): TaskEstimate(1.1, 0.1)}
    prior = prior_by_options(two, Cell("x", 3))
    assert prior is not None
    assert 0.9 < prior.mean < 1.1
    assert prior_by_options(two, Cell("x", 4)) is None
