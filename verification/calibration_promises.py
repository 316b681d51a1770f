"""What calibration promises, measured: the coverage of answer sets, and speed."""

from collections.abc import Iterator

import numpy as np
from benchmarks.calibration import BATCH, apply_speed, fit_speed
from numpy.typing import NDArray
from scipy.stats import betabinom
from studies.demo_pair import DEMO_WAY, DUMP, POOL, Dump, write

from trueodds_demo.service import ALIGNED
from trueodds_demo.world import TASKS
from trueodds_service.core.decisions import ConformalScore, answer_sets, conformal_threshold
from trueodds_service.core.distributions import softmax
from verification.calibration_result import at_least
from verification.comparison import Result

ALPHA = 0.1
# Of coverage, by chance alone: how often a right implementation would fail a case.
_CHANCE = 1e-4

_BUDGET = 100e-6


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


def speed(rounds: int = 3) -> Iterator[Result]:
    """As `python -m benchmarks.calibration` measures it."""
    measured = fit_speed(1_000_000, rounds)
    # Two cores do not reach the latter in every run (benchmarks/README.md).
    for library, least in (("scikit-learn", 5.0), ("netcal", 20.0)):
        note = f"{measured.seconds['trueodds']:.3f} s against {measured.seconds[library]:.3f} s"
        higher = measured.nll["trueodds"] > measured.nll[library] + 1e-12
        ratio = 0.0 if higher else measured.ratio(library)
        yield at_least("speed of a temperature's fit", library, measured.n, ratio, least, note)
    for method, seconds in apply_speed().items():
        note = f"{seconds * 1e6:.0f} µs a batch"
        yield at_least(f"speed of {method} applied", "100 µs", BATCH, _BUDGET / seconds, 1.0, note)
