"""Whether replicas fit on the GPUs of a machine, as Ray places them."""

from collections.abc import Iterable

STEPS = 10_000
"""Ray counts resources in steps of this size, and rounds to the nearest."""


def fit(wanted: Iterable[tuple[float, int]], gpus: int) -> bool:
    """Whether replicas, as GPUs of each and how many, fit on so many GPUs, the largest first.

    A share lies on one GPU, and several GPUs are whole ones.
    """
    free = [STEPS] * gpus
    return all(
        _take(free, each)
        for each, replicas in sorted(wanted, reverse=True)
        for _ in range(replicas)
    )


def _take(free: list[int], gpus: float) -> bool:
    if gpus > 1:
        whole = [place for place, steps in enumerate(free) if steps == STEPS][: int(gpus)]
        for place in whole:
            free[place] = 0
        return len(whole) == gpus
    steps = round(gpus * STEPS)
    roomy = [place for place, left in enumerate(free) if left >= steps]
    if steps and roomy:
        free[min(roomy, key=free.__getitem__)] -= steps
    return not steps or bool(roomy)
