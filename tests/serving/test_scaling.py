"""How many replicas Serve is told to have."""

from types import SimpleNamespace

import pytest

from trueodds_service.serving.scaling import PROMPTS, autoscaling, replicas_wanted


@pytest.mark.parametrize(
    ("under_way", "wanted"),
    [([0], 1), ([128], 1), ([129], 2), ([100, 400], 4), ([0, 0, 0], 1), ([], 3)],
)
def test_a_replica_for_each_half_of_a_step_of_prompts(under_way, wanted):
    metrics = {PROMPTS: dict(enumerate(under_way))} if under_way else {}
    context = SimpleNamespace(
        aggregated_metrics=metrics, config=autoscaling(1, 5, 256), target_num_replicas=3
    )
    assert replicas_wanted(context) == (wanted, {})


def test_serve_keeps_the_bounds():
    config = autoscaling(2, 5, 256)
    assert (config.min_replicas, config.initial_replicas, config.max_replicas) == (2, 2, 5)
