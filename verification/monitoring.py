"""Sequential tests of calibration: how often they alarm falsely, and how soon rightly."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from mapie.classification import SplitConformalClassifier
from mapie.exchangeability_testing.martingales import OnlineMartingaleTest
from mapie.exchangeability_testing.risk_monitoring import RiskMonitoring
from numpy.typing import NDArray
from river.drift import ADWIN
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin

from trueodds_service.core.monitoring.better_than_raw import ImprovementTest
from trueodds_service.core.monitoring.calibrated import CalibrationTest
from trueodds_service.core.monitoring.shifted import ShiftTest
from trueodds_service.flows.checks import evidence_of
from trueodds_service.flows.fit_record import DISAGREEMENT
from trueodds_service.store import Calibrator, Check, Provenance, Scope
from verification.calibration_result import at_least
from verification.comparison import Result

_Array = NDArray[np.float64]
_Stream = tuple[_Array, NDArray[np.bool_]]

ALPHA = 0.05
# A right implementation fails a case by chance no more often than this.
_CHANCE = 1e-4

_YEARS = 10_000
_OUTCOMES_A_YEAR = (100, 1_000, 5_000)
# Once a month and once a week, of how many questions; and those of the fit.
_CHECKS_A_YEAR = ((12, 100), (52, 20))
_FIT = 50

# Before a break, and after it.
_KEPT, _BROKEN = 500, 2_000
_STREAMS = 40
# How much less often answers come true than they say, in logits; and a temperature too low.
_BREAKS = {"0.5 logits": (0.5, 1.0), "1 logit": (1.0, 1.0), "2 logits": (2.0, 1.0), "T = 3": (0, 3)}
_MARTINGALE_FIT = 100


def alarms() -> Iterator[Result]:
    """False alarms in simulated years, each test looked at after every outcome."""
    for outcomes in _OUTCOMES_A_YEAR:
        for test, simulate in _YEAR_OF.items():
            rng = np.random.default_rng(outcomes)
            alarmed = sum(np.array(simulate(rng, outcomes)) for _ in range(_YEARS))
            for name, count in zip(test.split(", "), np.atleast_1d(alarmed), strict=True):
                yield _kept(f"false alarms of a year, {outcomes} outcomes, {name}", int(count))
    for checks, questions in _CHECKS_A_YEAR:
        rng = np.random.default_rng(checks)
        count = sum(_disagreement(rng, year, checks, questions) for year in range(_YEARS))
        name = f"false alarms of a year, {checks} checks of {questions} questions, disagrees"
        yield _kept(name, count)


def _calibration(rng: np.random.Generator, outcomes: int) -> list[bool]:
    test = CalibrationTest(ALPHA)
    test.add(*_stream(rng, outcomes))
    return [each.alarm_at is not None for each in (test.too_high, test.too_low, test.any)]


def _improvement(rng: np.random.Generator, outcomes: int) -> bool:
    """At the edge of the promise: raw and calibrated are equally good."""
    raw, calibrated = (rng.dirichlet(np.full(4, a), outcomes) for a in (0.5, 2.0))
    chances = ((raw + calibrated) / 2).cumsum(axis=1)
    labels = np.minimum((rng.random((outcomes, 1)) > chances).sum(axis=1), 3)
    test = ImprovementTest(ALPHA)
    test.add(raw, calibrated, labels)
    return test.worse_than_raw.alarm_at is not None


def _shift(rng: np.random.Generator, answers: int) -> bool:
    test = ShiftTest(alpha=ALPHA)
    test.add(rng.beta(4, 2, answers))
    return test.shifted.alarm_at is not None


def _disagreement(rng: np.random.Generator, year: int, checks: int, questions: int) -> bool:
    """Of a calibrator of its own each year; its fit had few questions."""
    share = rng.uniform(0.05, 0.5)
    fit = rng.binomial(_FIT, share) / _FIT
    calibrator = Calibrator(
        scope=Scope("aligned", f"{year}", "", "paren", 1, 4),
        method="teacher_kl",
        parameters={"temperature": (2.0,)},
        provenance=Provenance(teacher="base", items=_FIT),
        metrics={DISAGREEMENT: fit},
    )
    found = [
        Check(
            calibrator=calibrator.id,
            prompts_hash=f"{number}",
            teacher="base",
            questions=questions,
            disagreeing=int(rng.binomial(questions, share)),
            created_at=calibrator.created_at,
        )
        for number in range(checks)
    ]
    return evidence_of(calibrator, found, ALPHA).alarm_at is not None


_YEAR_OF: dict[str, Callable[[np.random.Generator, int], bool | list[bool]]] = {
    "too high, too low, any": _calibration,
    "worse than raw": _improvement,
    "shifted": _shift,
}


def _kept(name: str, count: int) -> Result:
    """At most α of the years, as far as their number can tell."""
    allowed = binom.ppf(1 - _CHANCE, _YEARS, ALPHA)
    note = f"{count / _YEARS:.2%} of the years, at most {ALPHA:.0%} promised"
    return at_least(name, "its promise", _YEARS, allowed / max(count, 1), 1.0, note)


def delays() -> Iterator[Result]:
    """Outcomes until a break is found, beside what else could be asked, on the same streams."""
    for name, (shift, temperature) in _BREAKS.items():
        found: dict[str, list[float]] = {detector: [] for detector in _DETECTORS}
        for seed in range(_STREAMS):
            rng = np.random.default_rng(seed)
            kept = _stream(rng, _KEPT)
            broken = _stream(rng, _BROKEN, shift, temperature)
            for detector, ask in _DETECTORS.items():
                found[detector].append(ask(kept, broken))
        medians = {detector: float(np.median(each)) for detector, each in found.items()}
        ours, *others = medians.values()
        said = ", ".join(f"{detector} {_said(median)}" for detector, median in medians.items())
        best = min(*others, _BROKEN)
        yield at_least(
            f"outcomes until found, {name}", "the soonest", _STREAMS, best / ours, 1, said
        )


def _said(median: float) -> str:
    return "not found" if math.isinf(median) else f"{median:.0f}"


def _stream(
    rng: np.random.Generator, n: int, shift: float = 0.0, temperature: float = 1.0
) -> _Stream:
    """Confidences, and whether answers were right: as often as they say unless told otherwise."""
    logits = rng.normal(1.2, 1.2, n)
    truth = 1 / (1 + np.exp(shift - logits / temperature))
    return 1 / (1 + np.exp(-logits)), rng.random(n) < truth


def _trueodds(kept: _Stream, broken: _Stream) -> float:
    test = CalibrationTest(ALPHA)
    test.add(*kept)
    test.add(*broken)
    at = test.any.alarm_at
    return math.inf if at is None or at <= _KEPT else at - _KEPT


def _risk_monitoring(kept: _Stream, broken: _Stream) -> float:
    monitor = RiskMonitoring("accuracy", test_level=ALPHA, tolerance=0.0, warn=False)
    monitor.compute_threshold(np.ones(_KEPT, dtype=int), kept[1].astype(int))
    monitor.update(np.ones(_BROKEN, dtype=int), broken[1].astype(int))
    return _first(monitor.online_risk_lower_bound_sequence_history > monitor.threshold)


def _online_martingale(kept: _Stream, broken: _Stream) -> float:
    (before, right), (after, later) = kept, broken
    fitted, rest = slice(_MARTINGALE_FIT), slice(_MARTINGALE_FIT, None)
    given = SplitConformalClassifier(_Given().fit(before[:, None], right), prefit=True)
    given.conformalize(before[fitted, None], right[fitted].astype(int))
    test = OnlineMartingaleTest(
        given, task="classification", test_level=ALPHA, warn=False, burn_in=1, random_state=0
    )
    test.update(before[rest, None], right[rest].astype(int))
    seen = len(test.martingale_value_history)
    test.update(after[:, None], later.astype(int))
    return _first(np.asarray(test.martingale_value_history[seen:]) >= 1 / ALPHA)


def _adwin(kept: _Stream, broken: _Stream) -> float:
    """With its own default, which keeps no α over a year: on how far answers are off."""
    detector = ADWIN()
    for confidence, correct in zip(*kept, strict=True):
        detector.update(correct - confidence)
    for place, (confidence, correct) in enumerate(zip(*broken, strict=True)):
        detector.update(correct - confidence)
        if detector.drift_detected:
            return place + 1
    return math.inf


def _first(alarm: NDArray[np.bool_]) -> float:
    return int(np.argmax(alarm)) + 1 if alarm.any() else math.inf


class _Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of answers into wrong and right whose probabilities are given."""

    def fit(self, values: _Array, labels: NDArray[np.bool_]) -> "_Given":
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = values.shape[1]
        return self

    def predict_proba(self, values: _Array) -> _Array:
        return np.hstack([1 - values, values])

    def predict(self, values: _Array) -> NDArray[np.int64]:
        return (values[:, 0] > 1 / 2).astype(np.int64)


_DETECTORS: dict[str, Callable[[_Stream, _Stream], float]] = {
    "trueodds": _trueodds,
    "MAPIE RiskMonitoring": _risk_monitoring,
    "MAPIE OnlineMartingaleTest": _online_martingale,
    "river ADWIN": _adwin,
}
