"""How many replicas a model gets, as many as its prompts under way keep busy, and how many gateways
there are, as many on each node.

Serve's own count is of its own requests, and none of ours goes through it.
"""

import math
import time
from typing import Any

import ray
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from trueodds_service.config import Scaling

PROMPTS = "prompts"
"""What a replica tells of itself: how many are under way there."""

# A replica is busy with half of the prompts that its steps hold.
_BUSY = 0.5
_LOOK_BACK_SECONDS = 10.0
_MOST_NODES = 1024


def autoscaling(replicas: Scaling, prompts: int) -> AutoscalingConfig:
    """Serve's configuration for a model whose steps hold ``prompts`` prompts."""
    return AutoscalingConfig(
        min_replicas=replicas.min,
        initial_replicas=replicas.min,
        max_replicas=replicas.max,
        target_ongoing_requests=_BUSY * prompts,
        upscale_delay_s=replicas.up_seconds,
        downscale_delay_s=replicas.down_seconds,
        look_back_period_s=_LOOK_BACK_SECONDS,
        policy=AutoscalingPolicy(policy_function=replicas_wanted),
    )


def replicas_wanted(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Serve's policy function; Serve keeps the bounds and the delays."""
    told = (context.aggregated_metrics or {}).get(PROMPTS, {})
    if not told or context.config is None:  # nobody has said anything yet
        return context.target_num_replicas, {}
    return max(1, math.ceil(sum(told.values()) / context.config.target_ongoing_requests)), {}


# A node that is lost may be back in a moment, and Serve's controller asks ten times a second.
_NODE_LOST_SECONDS, _NODES_SECONDS = 30.0, 2.0


def on_each_node(gateways: int, nodes: int) -> AutoscalingConfig:
    """Serve's configuration for ``gateways`` on each node, while there are ``nodes`` of them."""
    return AutoscalingConfig(
        min_replicas=gateways,
        initial_replicas=gateways * nodes,
        max_replicas=gateways * _MOST_NODES,
        upscale_delay_s=0.0,
        downscale_delay_s=_NODE_LOST_SECONDS,
        policy=AutoscalingPolicy(policy_function=gateways_wanted),
    )


def gateways_wanted(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Serve's policy function; its minimum is the gateways of one node."""
    state = dict(context.policy_state or {})
    now = time.monotonic()
    if not 0 <= now - state.get("counted", math.inf) < _NODES_SECONDS:
        state = {"counted": now, "nodes": sum(node["Alive"] for node in ray.nodes())}
    return state["nodes"] * context.capacity_adjusted_min_replicas, state
