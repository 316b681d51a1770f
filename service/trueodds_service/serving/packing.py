"""Whether replicas fit on the GPUs of the nodes, as Ray places them: in the order in which they are
deployed, the largest first.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

STEPS = 10_000
"""Ray counts resources in steps of this size, and rounds to the nearest."""


def fit(wanted: Iterable[tuple[float, int]], nodes: Sequence[int]) -> bool:
    """Whether replicas, as GPUs of each and how many, fit on nodes with these numbers of GPUs.

    A share lies on one GPU, and several GPUs are whole ones of one node.
    """
    free = [[STEPS] * gpus for gpus in nodes]
    return all(
        _take(free, each)
        for each, replicas in sorted(wanted, reverse=True)
        for _ in range(replicas)
    )


def _take(free: Sequence[list[int]], gpus: float) -> bool:
    if not gpus:
        return True
    if gpus > 1:
        for node in free:
            whole = [place for place, steps in enumerate(node) if steps == STEPS][: int(gpus)]
            if len(whole) == gpus:
                for place in whole:
                    node[place] = 0
                return True
        return False
    steps = round(gpus * STEPS)
    roomy = [
        (left, node, place) for node in free for place, left in enumerate(node) if left >= steps
    ]
    if roomy:
        left, node, place = min(roomy, key=lambda each: each[0])
        node[place] = left - steps
    return bool(roomy)


def fullest(
    shares: Iterable[tuple[str, float, float, int]],
) -> tuple[float, Counter[str]]:
    """The most of its memory that a GPU may be asked for, and by how many replicas of whom.

    ``shares`` are names, the share of a GPU and of its memory that a replica has, and replicas.
    Which of them meet on a GPU, only Ray knows: any do that fit.
    """
    # By the steps that are taken, the set that asks for the most memory.
    found: dict[int, tuple[float, Counter[str]]] = {0: (0.0, Counter())}
    for name, share, memory, replicas in shares:
        steps = round(share * STEPS)
        for _ in range(min(replicas, STEPS // steps)):
            for taken, (held, names) in sorted(found.items(), reverse=True):
                now = held + memory, names + Counter([name])
                if taken + steps <= STEPS and now[0] > found.get(taken + steps, (0.0,))[0]:
                    found[taken + steps] = now
    return max(found.values(), key=lambda each: each[0])
