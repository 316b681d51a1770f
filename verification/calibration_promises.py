"""What calibration promises, measured: the coverage of answer sets."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom
from studies.demo_pair import DEMO_WAY, DUMP, POOL, Dump, write

from trueodds_demo.service import ALIGNED
from trueodds_demo.world import TASKS
from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.decisions.conformal import (
    ConformalScore,
    answer_sets,
    conformal_threshold,
)
from verification.calibration_result import at_least
from verification.comparison import Result

ALPHA = 0.1
# How often a right implementation would fail a case of coverage, by chance alone.
_CHANCE = 1e-4


def conformal() -> Iterator[Result]:
    """Coverage of 90 % sets on the demo's tasks: thresholds on the pool, sets on all others."""
    for name, p, labels in _tasks():
        pool, n = min(POOL, len(p) // 3), len(p)
        for score in ConformalScore:
            threshold = conformal_threshold(p[:pool], labels[:pool], ALPHA, score)
            sets = answer_sets(p[pool:], threshold, score)
            tested = n - pool
            covered = int(sets[np.arange(tested), labels[pool:]].sum())
            # Given the threshold coverage is a beta variable (Vovk 2012), hence counted so.
            rank = int(np.ceil((pool + 1) * (1 - ALPHA)))
            low, high = betabinom.ppf([_CHANCE / 2, 1 - _CHANCE / 2], tested, rank, pool + 1 - rank)
            beyond = covered > high
            note = f"within [{low / tested:.3f}, {high / tested:.3f}]"
            if beyond:
                note = "more than promised: " + (
                    "ties, or the choice alone is right as often"
                    if score is ConformalScore.LAC
                    else "APS is not randomised"
                )
            note += f"; {sets.sum(axis=1).mean():.2f} options a set"
            yield at_least(
                f"coverage of 90 % sets, {score}, {name}",
                "its guarantee",
                tested,
                covered / tested,
                float(low / tested),
                note,
            )


def _tasks() -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.int64]]]:
    if not DUMP.exists():
        write(DUMP, [DEMO_WAY])
    dump = Dump(DUMP)
    for task in TASKS:
        yield task, softmax(dump.reading(task, ALIGNED, DEMO_WAY).logprobs), dump.labels(task)
