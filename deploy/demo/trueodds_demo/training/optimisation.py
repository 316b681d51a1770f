"""The optimiser and the schedule that every stage shares."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TypeVar

import torch

log = logging.getLogger(__name__)

Batch = TypeVar("Batch")

# Gradients longer than this are shortened to it.
LONGEST_GRADIENT = 1.0
LOG_EVERY = 100


def minimise(
    name: str,
    model: torch.nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Batch], torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    warmup: int,
    weight_decay: float = 0.0,
) -> None:
    """One AdamW step a batch; the rate rises over ``warmup`` steps and falls to 0 at ``steps``."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters,
        lr=learning_rate,
        betas=(0.9, 0.95),
        weight_decay=weight_decay,
        fused=parameters[0].is_cuda,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, 1.0) * (1.0 - step / steps)
    )
    model.train()
    began = monotonic()
    for step, batch in enumerate(batches, start=1):
        value = loss(batch)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, LONGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        if step % LOG_EVERY == 0 or step == steps:
            log.info(
                "%s %d/%d loss %.4f %.0f s", name, step, steps, value.item(), monotonic() - began
            )
    model.eval()
