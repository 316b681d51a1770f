"""Speed of calibration beside scikit-learn and netcal, in one run: fits, and what is applied.

Each round times every library once, one after another, so that what the machine does meanwhile
meets them alike. What counts is the ratio of the medians, and that no NLL is lower than ours.
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from netcal.scaling import TemperatureScaling as NetcalTemperature
from numpy.typing import NDArray
from rich.console import Console

# scikit-learn's own, without the cross-validation and the checks around it.
from sklearn.calibration import _TemperatureScaling as SklearnTemperature

from trueodds_service.core.arrays.distributions import log_softmax, softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.metrics.evaluate import mean_nll

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BATCH = 1024


def sample(n: int, k: int = 4, seed: int = 0, temperature: float = 2.5) -> tuple[Array, Labels]:
    """Overconfident logprobs, and labels drawn from what they would be at ``temperature``."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(0, 1.5, (n, k))
    draws = generator.random((n, 1))
    labels = np.minimum((softmax(honest).cumsum(axis=1) < draws).sum(axis=1), k - 1)
    return log_softmax(honest * temperature), labels


@dataclass(frozen=True)
class Speed:
    """Median seconds of a fit by library, and the NLL that each reaches."""

    n: int
    seconds: dict[str, float]
    nll: dict[str, float]

    def ratio(self, library: str) -> float:
        """How many times as long as ours a library takes."""
        return self.seconds[library] / self.seconds["trueodds"]


def fit_speed(n: int, rounds: int, netcal_rounds: int = 1) -> Speed:
    """Times the fit of one temperature on n × 4 logprobs; netcal fewer times, for it is slow."""
    z, labels = sample(n)
    probs = softmax(z)

    def ours() -> Array:
        return fit(Method.TEMPERATURE, FitData(z, labels)).calibrator.apply(z)

    def sklearn() -> Array:
        return softmax(SklearnTemperature().fit(z, labels).beta_ * z)

    def netcal() -> Array:
        scaling = NetcalTemperature()
        scaling.fit(probs, labels)
        return np.asarray(scaling.transform(probs), dtype=np.float64)

    fits: dict[str, tuple[Callable[[], object], Callable[[], Array], int]] = {
        "trueodds": (lambda: fit(Method.TEMPERATURE, FitData(z, labels)), ours, rounds),
        "scikit-learn": (lambda: SklearnTemperature().fit(z, labels), sklearn, rounds),
        "netcal": (lambda: NetcalTemperature().fit(probs, labels), netcal, netcal_rounds),
    }
    # The first touch of so much memory is paid by nobody.
    for run, _, _ in list(fits.values())[:2]:
        run()
    times: dict[str, list[float]] = {name: [] for name in fits}
    for number in range(rounds):
        for name, (run, _, most) in fits.items():
            if number < most:
                times[name].append(_seconds(run))
    return Speed(
        n,
        {name: statistics.median(found) for name, found in times.items()},
        {name: mean_nll(apply(), labels) for name, (_, apply, _) in fits.items()},
    )


def apply_speed() -> dict[Method, float]:
    """Median seconds of applying each method's calibrator to a batch of 1,024 × 4."""
    z, labels = sample(500)
    data, batch = FitData(z, labels, z / 2.5), sample(BATCH, seed=1)[0]
    found = {}
    for method in Method:
        calibrator = fit(method, data).calibrator
        calibrator.apply(batch)
        found[method] = statistics.median(
            _seconds(lambda c=calibrator: c.apply(batch)) for _ in range(500)
        )
    return found


def _seconds(run: Callable[..., object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("build/bench/calibration.json"))
    options = parser.parse_args()
    logging.getLogger("netcal").setLevel(logging.ERROR)
    console = Console(highlight=False)
    speed = fit_speed(options.items, options.rounds)
    for name, seconds in speed.seconds.items():
        console.print(
            f"{name:13} {seconds:8.3f} s  {speed.ratio(name):6.1f} ×  NLL {speed.nll[name]:.9f}"
        )
    applied = apply_speed()
    for method, seconds in applied.items():
        console.print(f"apply {method:16} {seconds * 1e6:6.0f} µs for {BATCH:,} × 4")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "fit": {"n": speed.n, "seconds": speed.seconds, "nll": speed.nll},
        "apply": {"n": BATCH, "seconds": applied},
    }
    options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {options.output}")


if __name__ == "__main__":
    main()
