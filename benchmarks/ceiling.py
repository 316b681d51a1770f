"""How fast this machine multiplies matrices, and what that allows."""

import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.shapes import Shape
from benchmarks.workload import Task

_PROGRAM = """
import statistics, time, torch
cuda = torch.cuda.is_available()
device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
sizes, times = ((4096, 8192, 16384), 40) if cuda else ((1024,), 8)
wait = torch.cuda.synchronize if cuda else lambda: None

def rate(size, left, right):
    wait()
    started = time.perf_counter()
    for _ in range(times):
        left @ right
    wait()
    return times * 2 * size**3 / (time.perf_counter() - started)

best = 0.0
for size in sizes:
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for right in (b, b.T):
        for _ in range(3):
            if (found := rate(size, a, right)) > best:
                best, pair = found, (size, a, right)
until, rates = time.perf_counter() + 6, []
while time.perf_counter() < until:
    rates.append(rate(*pair))
print(best, statistics.median(rates[len(rates) // 2:]))
"""


class MatrixRate(NamedTuple):
    """Operations a second: at first, and when a card has come to the limit of its power."""

    burst: float
    sustained: float


def matrix_rate() -> MatrixRate:
    """Measured on random numbers, at the best size and layout; seconds of it for the second.

    In bf16 on a GPU, in fp32 on a CPU.
    """
    run = [sys.executable, "-c", _PROGRAM]
    told = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    return MatrixRate(*map(float, told.split()))


def flops(shape: Shape, tasks: Sequence[Task]) -> float:
    """What the questions need at least: what a task's prompts share is computed once."""
    total = 0.0
    for task in tasks:
        prompts = [prompt.prompt for prompt in task.prompts]
        shared = task.shared_tokens
        total += _span(shape, 0, shared)
        total += sum(_span(shape, shared, len(prompt)) for prompt in prompts)
        total += len(prompts) * shape.flops_per_answer
    return total


def _span(shape: Shape, start: int, end: int) -> float:
    """The tokens from ``start`` to ``end``, each of which looks back on all before it."""
    looked_back = (end * end - start * start) / 2
    return (end - start) * shape.flops_per_token + looked_back * shape.flops_per_context_token
