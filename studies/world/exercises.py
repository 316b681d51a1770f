"""The synthetic task in the demo's world: a passage reports of one option alone, and that is right.

As in the paper's task the right option is a word that is given. A model of this world has never
been asked for a word as such, so the word is given as its passages give one.
"""

from collections.abc import Iterator
from itertools import islice
from random import Random

from studies.paper.exercises import Exercise
from trueodds_demo.world import training

_TASK = "openbook"


def exercises(count: int, seed: str) -> Iterator[Exercise]:
    """Exercises of the training part; the letters are right equally often."""
    return islice(_endless(Random(f"exercises/{seed}")), count)  # noqa: S311


def _endless(rng: Random) -> Iterator[Exercise]:
    for example in training(_TASK, rng):
        # Options without a report are equally likely, and no others.
        *others, right = sorted(
            range(len(example.distribution)), key=example.distribution.__getitem__
        )
        if len({example.distribution[option] for option in others}) == 1:
            yield Exercise(example.question, right, rng.choice(others))
