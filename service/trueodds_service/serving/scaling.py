"""How many replicas a model gets: as many as its prompts under way keep busy.

Serve's own count is of its own requests, and none of ours goes through it.
"""

import math
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

PROMPTS = "prompts"
"""What a replica tells of itself: how many are under way there."""

# A replica is busy with half of the prompts that its steps hold.
_BUSY = 0.5
# Half a minute of work is no reason for an engine that takes a minute to start, nor ten minutes
# of rest for one that will be wanted again.
_UP_SECONDS, _DOWN_SECONDS = 10.0, 300.0
_LOOK_BACK_SECONDS = 10.0


def autoscaling(least: int, most: int, prompts: int) -> AutoscalingConfig:
    """Serve's configuration for a model whose steps hold so many prompts."""
    return AutoscalingConfig(
        min_replicas=least,
        initial_replicas=least,
        max_replicas=most,
        target_ongoing_requests=_BUSY * prompts,
        upscale_delay_s=_UP_SECONDS,
        downscale_delay_s=_DOWN_SECONDS,
        look_back_period_s=_LOOK_BACK_SECONDS,
        policy=AutoscalingPolicy(policy_function=replicas_wanted),
    )


def replicas_wanted(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
    """Serve's policy function; Serve keeps the bounds and the delays."""
    told = (context.aggregated_metrics or {}).get(PROMPTS, {})
    if not told or context.config is None:  # nobody has said anything yet
        return context.target_num_replicas, {}
    return max(1, math.ceil(sum(told.values()) / context.config.target_ongoing_requests)), {}
