"""The metrics, beside scikit-learn, netcal, uncertainty-calibration and relplot."""

from collections.abc import Callable, Iterator

import calibration as uncertainty_calibration
import numpy as np
import relplot
from benchmarks.calibration import sample
from netcal.metrics import ECE, MCE
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.metrics.evaluate import Metrics, evaluate
from verification.calibration_result import SAME, agreement
from verification.comparison import Result

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Reference = Callable[[Array, Labels, Array, Array], float]

# A multiple of the bins: else equal mass has several definitions.
N = 2000
SEEDS = range(10)


def _aurc(p: Array, labels: Labels, confidence: Array, correct: Array) -> float:
    area, _ = uncertainty_calibration.utils.get_selective_stats(confidence, correct)
    return float(1 - area)


def _debiased(p: Array, labels: Labels, confidence: Array, correct: Array) -> float:
    return float(
        uncertainty_calibration.lower_bound_scaling_ce(
            p, labels, p=2, debias=True, num_bins=10, mode="top-label"
        )
    )


def _classwise(p: Array, labels: Labels, confidence: Array, correct: Array) -> float:
    errors = [
        uncertainty_calibration.get_ece(p[:, option], (labels == option).astype(int), num_bins=10)
        for option in range(p.shape[1])
    ]
    return float(np.mean(errors))


def _equal_mass(p: Array, labels: Labels, confidence: Array, correct: Array) -> float:
    return float(ECE(10, equal_intervals=False).measure(confidence, correct.astype(int)))


# Name, library, and how it has it; then the tolerance and a note where the definition differs.
_CASES: tuple[tuple[str, str, Reference, float, str], ...] = (
    ("accuracy", "scikit-learn", lambda p, y, c, r: accuracy_score(y, p.argmax(1)), SAME, ""),
    ("nll", "scikit-learn", lambda p, y, c, r: log_loss(y, p), SAME, ""),
    (
        "brier",
        "scikit-learn",
        lambda p, y, c, r: brier_score_loss(y, p, scale_by_half=False),
        SAME,
        "",
    ),
    ("auroc", "scikit-learn", lambda p, y, c, r: roc_auc_score(r, c), SAME, ""),
    ("ece", "netcal", lambda p, y, c, r: ECE(10).measure(c, r.astype(int)), SAME, ""),
    ("ece_equal_mass", "netcal", _equal_mass, SAME, ""),
    ("mce", "netcal", lambda p, y, c, r: MCE(10).measure(c, r.astype(int)), SAME, ""),
    ("ece_debiased", "uncertainty-calibration", _debiased, SAME, ""),
    ("ece_classwise", "uncertainty-calibration", _classwise, SAME, ""),
    ("aurc", "uncertainty-calibration", _aurc, SAME, "its area of accuracy, from one"),
    (
        "ece_smooth",
        "relplot",
        lambda p, y, c, r: relplot.smECE(c, r),
        5e-3,
        "it smooths on a grid, cuts wide kernels off, finds the width to 1e-3",
    ),
)


def metrics() -> Iterator[Result]:
    """One case a metric: the largest difference over ten samples."""
    samples = []
    for seed in SEEDS:
        z, labels = sample(N, seed=seed)
        # From calibrated to overconfident.
        p = softmax(z / (1 + seed / 4))
        samples.append((p, labels, p.max(axis=1), (p.argmax(axis=1) == labels).astype(float)))
    ours: list[Metrics] = [evaluate(p, labels) for p, labels, _, _ in samples]
    for name, library, reference, tolerance, note in _CASES:
        found = [getattr(each, name) for each in ours]
        expected = [reference(*each) for each in samples]
        yield agreement(name, library, N, found, expected, tolerance=tolerance, note=note)
    parts = [m.brier_reliability - m.brier_resolution + m.brier_uncertainty for m in ours]
    yield agreement(
        "brier's parts", "scikit-learn", N, parts, [m.brier for m in ours], note="their sum"
    )
