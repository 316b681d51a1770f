"""Why `teacher_pooled` is too sure of models near chance, and two other ways to pool, which are not
built in: `python -m studies.real.pooling` writes `studies/results/real_pooling.json`.

A T at its upper bound can be kept; or 1/T can be pooled in the place of ln T, which may be 0 or
less, so that no task is left out.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.maps import score
from studies.methods import pooled, priors, temperature_of
from studies.paper.posthoc import POOLED, Case, cases
from studies.paper.readings import Readings
from studies.results import READINGS, RESULTS, save
from studies.simulation import World
from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.fitting.pooling import TaskEstimate, pooled_prior, posterior_mean
from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS, Bound

ALONE, KEPT, INVERSE = Method.TEACHER_KL.value, "kept at the bound", "1/T pooled"
WAYS = ("paren/0", "paren/5")
FROM, LEAST, DRAWS = 5, 45, 20
# The simulated world: a fifth disputed, six other tasks that differ by 5 %.
DISPUTED, TASKS, SCATTER, T, SIMULATED = 0.2, 6, 0.05, 2.5, 400
_HALVINGS = 60


def inverse_estimate(data: FitData) -> TaskEstimate:
    """1/T, of any sign, and its standard error, as `task_estimate` has them of ln T."""
    z = data.logprobs - data.logprobs.mean(axis=1, keepdims=True)
    target = softmax(data.taught)
    low, high = -2.0, 20.0
    for _ in range(_HALVINGS):
        beta = (low + high) / 2
        slope = (z * (softmax(beta * z) - target)).sum(axis=1)
        low, high = (low, beta) if slope.mean() > 0 else (beta, high)
    probs = softmax(beta * z)
    mean = (probs * z).sum(axis=1, keepdims=True)
    curvature = ((z - mean) ** 2 * probs).sum()
    error = math.sqrt((slope**2).sum() * len(z) / (len(z) - 1)) / curvature
    return TaskEstimate(beta, max(float(error), 1e-6))


def temperatures(drawn: Mapping[str, FitData]) -> Iterator[tuple[str, dict[str, float]]]:
    """T of each task by each way; each task is pooled with all others."""
    known = dict(zip(drawn, priors(list(drawn.values())), strict=True))
    inverse = {name: inverse_estimate(data) for name, data in drawn.items()}
    # The least scatter is 5 % of a temperature, and so of 1/T in units of what it is like.
    unit = float(np.median([abs(each.log_t) for each in inverse.values()]))
    scaled = {
        name: TaskEstimate(each.log_t / unit, each.standard_error / unit)
        for name, each in inverse.items()
    }
    for name, data in drawn.items():
        alone = fit(Method.TEACHER_KL, data)
        own = temperature_of(alone) or math.nan
        by = {ALONE: own, POOLED: temperature_of(pooled(data, known[name])) or math.nan}
        by[KEPT] = own if alone.at_bound is Bound.UPPER else by[POOLED]
        others = pooled_prior([each for other, each in scaled.items() if other != name])
        if others is not None:
            beta = unit * posterior_mean(scaled[name], others)
            by[INVERSE] = 1 / max(beta, 1 / DEFAULT_BOUNDS[1])
        yield name, by


def real(job: tuple[str, str]) -> dict[str, Any]:
    """A model's mean ECE over subjects and draws, and the share of fits at the upper bound."""
    model, way = job
    readings = Readings(READINGS)
    found = {
        name: case
        for name, case in cases(readings, model, way, "gemma", readings.subjects).items()
        if len(case.own) >= FROM + LEAST
    }
    eces: dict[str, list[float]] = defaultdict(list)
    at_bound = []
    for draw in range(DRAWS):
        orders = _orders(found, draw)
        drawn = {name: case.data(orders[name][:FROM]) for name, case in found.items()}
        for name, by in temperatures(drawn):
            at_bound.append(by[ALONE] >= DEFAULT_BOUNDS[1])
            own, held_out = found[name].own, orders[name][FROM:]
            for method, t in by.items():
                probs = softmax(own.logprobs[held_out] / t)
                right = probs.argmax(axis=1) == own.labels[held_out]
                eces[method].append(score(probs.max(axis=1), right).ece)
    return {
        "model": model,
        "way": way,
        "subjects": len(found),
        "at_bound": float(np.mean(at_bound)),
        "ece": {method: float(np.mean(each)) for method, each in eces.items()},
    }


def simulated() -> dict[str, float]:
    """The root mean square error of ln T, of a model that knows something and is disputed."""
    world = World(disagreement=DISPUTED)
    errors: dict[str, list[float]] = defaultdict(list)
    for draw in range(SIMULATED):
        rng = np.random.default_rng((draw, FROM))
        centre = math.log(T) - rng.normal(0, SCATTER)
        log_ts = [math.log(T), *(centre + rng.normal(0, SCATTER, TASKS))]
        drawn = dict(zip(map(str, range(TASKS + 1)), world.tasks(rng, FROM, log_ts), strict=True))
        for method, t in next(temperatures(drawn))[1].items():
            errors[method].append(math.log(t / T))
    return {method: float(np.sqrt(np.mean(np.square(each)))) for method, each in errors.items()}


def _orders(found: Mapping[str, Case], draw: int) -> dict[str, NDArray[np.intp]]:
    return {
        name: np.random.default_rng((draw, FROM)).permutation(len(case.own))
        for name, case in found.items()
    }


def main() -> None:
    """Writes the result."""
    readings = Readings(READINGS)
    jobs = [(model, way) for model in readings.models if model != "gemma" for way in WAYS]
    with ProcessPoolExecutor() as pool:
        world = pool.submit(simulated)
        rows = list(pool.map(real, jobs))
        result = {"draws": DRAWS, "questions": FROM, "real": rows, "simulated": world.result()}
    save(result, RESULTS / "real_pooling.json")
    for row in rows:
        print(row["model"], row["way"], f"{row['at_bound']:.0%} at the bound", row["ece"])
    print(result["simulated"])


if __name__ == "__main__":
    main()
