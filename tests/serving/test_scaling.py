"""How many replicas Serve is told to have."""

from types import SimpleNamespace

import pytest

from trueodds_service.config import Scaling
from trueodds_service.serving import scaling
from trueodds_service.serving.scaling import (
    PROMPTS,
    autoscaling,
    gateways_wanted,
    on_each_node,
    replicas_wanted,
)


@pytest.mark.parametrize(
    ("under_way", "wanted"),
    [([0], 1), ([128], 1), ([129], 2), ([100, 400], 4), ([0, 0, 0], 1), ([], 3)],
)
def test_a_replica_for_each_half_of_a_step_of_prompts(under_way, wanted):
    metrics = {PROMPTS: dict(enumerate(under_way))} if under_way else {}
    context = SimpleNamespace(
        aggregated_metrics=metrics, config=autoscaling(Scaling(max=5), 256), target_num_replicas=3
    )
    assert replicas_wanted(context) == (wanted, {})


def test_serve_keeps_the_bounds():
    config = autoscaling(Scaling(min=2, max=5, up_seconds=1, down_seconds=2), 256)
    assert (config.min_replicas, config.initial_replicas, config.max_replicas) == (2, 2, 5)
    assert (config.upscale_delay_s, config.downscale_delay_s) == (1, 2)


def test_each_node_that_is_there_has_its_gateways(monkeypatch):
    nodes = [{"Alive": True}, {"Alive": True}]
    monkeypatch.setattr(scaling.ray, "nodes", lambda: nodes)
    config = on_each_node(3, 2)
    assert (config.min_replicas, config.initial_replicas) == (3, 6)
    now = [1000.0]
    monkeypatch.setattr(scaling, "time", SimpleNamespace(monotonic=lambda: now[0]))
    state = {}

    def wanted():
        nonlocal state
        context = SimpleNamespace(policy_state=state, capacity_adjusted_min_replicas=3)
        found, state = gateways_wanted(context)
        return found

    assert wanted() == 6
    nodes[1]["Alive"] = False
    assert wanted() == 6, "Ray is not asked each time"
    now[0] += 3
    assert wanted() == 3
    nodes.extend([{"Alive": True}] * 2)
    now[0] += 3
    assert wanted() == 9
