"""Where pooling could harm: tasks that truly differ, an outlier, teachers that disagree.

Seven simulated tasks a model, n questions each, and each task's prior from the six others. ECEs are
against the true odds, so that no noise of labels hides a difference. `python -m studies.safety`
writes `studies/results/safety.json`.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.measures import HeldOut, over_draws
from studies.methods import LABEL_FREE, pooled, priors
from studies.results import RESULTS, save
from studies.simulation import World
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import fit

DRAWS = 200
SIZES = (5, 20)
HELD_OUT = 2_000
METHODS = (*LABEL_FREE, Method.TEACHER_POOLED)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """A world, and the temperatures of a model's seven tasks in it."""

    temperatures: tuple[float, ...]
    world: World


PLAIN = World()
ALIKE = (2.5,) * 7
PAPER = tuple(np.geomspace(1.25, 3.62, 7).tolist())

SCENARIOS = {
    "all at 2.5": Scenario(ALIKE, PLAIN),
    "5 % apart": Scenario(tuple(2.5 * np.exp(0.05 * np.linspace(-1.5, 1.5, 7))), PLAIN),
    "15 % apart": Scenario(tuple(2.5 * np.exp(0.15 * np.linspace(-1.5, 1.5, 7))), PLAIN),
    "1.25 to 3.62": Scenario(PAPER, PLAIN),
    "one at 1.25, six at 2.5": Scenario((1.25, *ALIKE[1:]), PLAIN),
    "all at 2.5, one question in ten disputed": Scenario(ALIKE, World(disagreement=0.1)),
    "1.25 to 3.62, three in ten disputed": Scenario(PAPER, World(disagreement=0.3)),
    "all at 2.5, a noisy teacher": Scenario(ALIKE, World(model_noise=0.4, teacher_noise=0.6)),
    "all at 2.5, an overconfident teacher": Scenario(ALIKE, World(teacher_sharpness=1.4)),
}


def measure(scenario: Scenario, n: int, draws: int, seed: int = 0) -> dict[str, Any]:
    """Mean ECEs, and what each method's is less that of teacher_kl: on average, and at worst."""
    rng = np.random.default_rng((seed, n))
    log_ts = np.log(scenario.temperatures).tolist()
    held_out = []
    for log_t in log_ts:
        data, odds = scenario.world.draw(rng, HELD_OUT, log_t)
        held_out.append(HeldOut(data.logprobs, data.answers, odds))
    eces: dict[Method, Floats] = {each: np.empty((draws, len(log_ts))) for each in METHODS}
    for draw in range(draws):
        tasks = scenario.world.tasks(rng, n, log_ts)
        for place, (data, prior) in enumerate(zip(tasks, priors(tasks), strict=True)):
            for method in METHODS:
                fitted = (
                    pooled(data, prior) if method is Method.TEACHER_POOLED else fit(method, data)
                )
                score = held_out[place].score(fitted.calibrator)
                eces[method][draw, place] = score.odds_ece
    against = eces[Method.TEACHER_KL]
    return {
        method.value: {
            "odds_ece": float(found.mean()),
            "less_teacher_kl": float((found - against).mean()),
            "over_draws": over_draws((found - against).mean(axis=1)),
            "worst_task": float((found - against).mean(axis=0).max()),
        }
        for method, found in eces.items()
    }


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.safety", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--output", type=Path, default=RESULTS / "safety.json")
    options = parser.parse_args()
    started = time.perf_counter()
    scenarios = {
        name: {str(n): measure(scenario, n, options.draws) for n in SIZES}
        for name, scenario in SCENARIOS.items()
    }
    save({"draws": options.draws, "scenarios": scenarios}, options.output)
    print(f"written to {options.output} in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
