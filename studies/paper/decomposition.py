"""Does p(F | x), or the option mass, tell which question or model a temperature can repair?

A model is calibrated by its teacher; of the other questions, those on which the measure is below
its median are compared with those above.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.paper.effects import ece, interval
from studies.paper.posthoc import Case
from studies.paper.readings import Floats
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.fit import fit

FITTED_ON = 50
# Where nearly all questions have the same value, half precision tells too few apart.
_LEAST = 100

Mask = NDArray[np.bool_]


def decomposed(case: Case) -> dict[str, Any]:
    """How much larger the ECE left is where each measure is low."""
    order = np.random.default_rng(0).permutation(len(case.own))
    calibrator = fit(Method.TEACHER_KL, case.data(order[:FITTED_ON])).calibrator
    others = case.own.take(order[FITTED_ON:])
    probs = calibrator.apply(others.logprobs)
    confidence = np.minimum(probs.max(axis=1), 1.0)
    right = (probs.argmax(axis=1) == others.labels).astype(np.float64)
    found: dict[str, Any] = {}
    for name, measure in (("format_probability", others.format), ("option_mass", others.mass)):
        low: Mask = np.asarray(measure < np.median(measure))

        def more(counts: Floats, low: Mask = low) -> Floats:
            parts = [ece(confidence[h], right[h], counts[:, h]) for h in (low, ~low)]
            return np.asarray(parts[0] - parts[1])

        enough = _LEAST <= low.sum() <= len(low) - _LEAST
        found[name] = interval(more, len(others)) if enough else None
    return found
