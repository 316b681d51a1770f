"""Examples of a task from one part of the world or the other."""

from collections.abc import Iterator
from itertools import islice
from random import Random

from trueodds_demo.world.example import Example, settle
from trueodds_demo.world.partition import is_held_out, key
from trueodds_demo.world.tasks import COMPOSERS

# The worked examples are one fixed draw: prompts that share them share their prefix cache.
SHOT_SEED = 5
# Repeats in a row after which a task is taken to have no more held-out questions.
PATIENCE = 10_000


def held_out(task: str, n: int, seed: int = 0) -> list[Example]:
    """``n`` distinct held-out questions; the first ``m`` of them are ``held_out(task, m, seed)``.

    Raises ``ValueError`` where the task has fewer than ``n``.
    """
    rng = Random(f"held-out/{task}/{seed}")
    examples: list[Example] = []
    seen: set[bytes] = set()
    misses = 0
    while len(examples) < n:
        draft = COMPOSERS[task](rng)
        name = key(draft)
        if name in seen or not is_held_out(draft):
            misses += 1
            if misses > PATIENCE:
                raise ValueError(f"{task} has fewer than {n} held-out questions")
            continue
        misses = 0
        seen.add(name)
        examples.append(settle(task, draft, rng))
    return examples


def training(task: str, rng: Random) -> Iterator[Example]:
    """Endless examples of the training part; a question met again has its label drawn anew."""
    compose = COMPOSERS[task]
    while True:
        draft = compose(rng)
        if not is_held_out(draft):
            yield settle(task, draft, rng)


def shots(task: str, n: int = 5) -> list[Example]:
    """The first ``n`` of the task's fixed worked examples, from the training part."""
    return list(islice(training(task, Random(f"shots/{task}/{SHOT_SEED}")), n))
