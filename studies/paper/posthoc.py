"""Methods from few questions, on every aligned model: what each leaves of the ECE, and its harm.

The teacher is the pre-trained model after five worked examples, in the same format. Measured on the
task's other questions, at most 2,000 of them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.confidences.maps import score
from studies.methods import pooled, priors, temperature_of
from studies.paper.readings import Answers, Readings
from trueodds_service.core.arrays.distributions import answer_distribution, entropy, softmax
from trueodds_service.core.arrays.order_bias import without_prior
from trueodds_service.core.calibrators.base import Calibrator
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import Fitted, fit
from trueodds_service.core.fitting.pooling import Prior, task_estimate
from trueodds_service.core.metrics.reliability import null_ece

SIZES = (5, 10, 20, 50)
MEASURED = 2_000

Floats = NDArray[np.float64]

# Methods of the service that need nothing but a task's own questions.
OWN = (
    Method.IDENTITY,
    Method.CONSTANT,
    Method.TEMPERATURE,
    Method.KDE,
    Method.TEACHER_KL,
    Method.AGREEMENT_KL,
)
TEACHER, POOLED = Method.TEACHER_KL.value, Method.TEACHER_POOLED.value
# Beside the service's: the base's own score of the model's answer (BaseCal); a teacher that is
# calibrated first, by the labels of all tasks' questions; the labels' prior divided out first.
BASE_SCORE, CALIBRATED_TEACHER = "base's score of the answer", "teacher_kl, teacher calibrated"
DEBIASED = "teacher_kl after PriDe"
# What may tell a fit that is not to be trusted, of the questions of the fit alone.
SIGNS = ("disagreement", "teacher's entropy", "standard error of ln T", "divergence left")


@dataclass(frozen=True)
class Case:
    """One task of an aligned model: its answers, and the teacher's to the same questions."""

    own: Answers
    teacher: Answers

    def data(self, rows: NDArray[np.intp]) -> FitData:
        return FitData(
            self.own.logprobs[rows],
            labels=self.own.labels[rows],
            teacher_logprobs=self.teacher.logprobs[rows],
        )


def cases(
    readings: Readings, model: str, way: str, teacher: str, tasks: Sequence[str]
) -> dict[str, Case]:
    """The cases of some tasks, or subjects of MMLU."""
    taught_in = f"{way.partition('/')[0]}/5"
    asked = (model, way), (teacher, taught_in)
    return {task: Case(*readings.common(asked, task)) for task in tasks}


def rows(
    found: Mapping[str, Case], draws: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row for each task, method and size; and one for each fit of a teacher, with its signs."""
    table, fits = [], []
    for n in SIZES:
        scores: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
        for draw in range(draws):
            rng = np.random.default_rng((draw, n))
            orders = {task: rng.permutation(len(case.own)) for task, case in found.items()}
            drawn = {task: case.data(orders[task][:n]) for task, case in found.items()}
            known = dict(zip(drawn, priors(list(drawn.values())), strict=True))
            for task, case in found.items():
                held_out = orders[task][n : n + MEASURED]
                for name, confidence, correct, t in _each(task, case, drawn, known[task], held_out):
                    reached = score(confidence, correct)
                    scores[task, name].append((reached.ece, reached.brier, t))
                before, after = (
                    scores[task, m.value][-1] for m in (Method.IDENTITY, Method.TEACHER_KL)
                )
                signs = dict(zip(SIGNS, _signs(drawn[task]), strict=True))
                fits.append({"task": task, "n": n, "harm": after[0] - before[0], **signs})
        table += [_row(task, n, name, reached, scores) for (task, name), reached in scores.items()]
    return table, fits


def subjects(
    found: Mapping[str, Case], draws: int, n: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Each subject by itself, from n of its questions: its ECE raw, by labels, and by the teacher,
    with the middle 95 % of the draws; and each fit of the teacher's, with its signs.

    TEACHER_POOLED draws it to the other subjects, of each of which it has as many questions.
    """
    eces: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in found}
    ts: dict[str, list[float]] = {name: [] for name in found}
    nulls: dict[str, float] = {}
    fits_of_teacher = []
    for draw in range(draws):
        orders = {
            name: np.random.default_rng((draw, n)).permutation(len(case.own))
            for name, case in found.items()
        }
        drawn = {name: case.data(orders[name][:n]) for name, case in found.items()}
        known = dict(zip(drawn, priors(list(drawn.values())), strict=True))
        for name, case in found.items():
            data, held_out = drawn[name], orders[name][n:]
            scores, labels = case.own.logprobs[held_out], case.own.labels[held_out]
            fits = {
                method.value: fit(method, data)
                for method in (Method.IDENTITY, Method.TEMPERATURE, Method.TEACHER_KL)
            }
            if prior := known[name]:
                fits[POOLED] = pooled(data, prior)
            for method, fitted in fits.items():
                reached = _chosen(fitted.calibrator, scores, labels)
                eces[name][method].append(score(*reached).ece)
                if method == TEACHER:
                    nulls.setdefault(name, null_ece(reached[0]))
                    ts[name].append(temperature_of(fitted) or np.nan)
            harm = eces[name][TEACHER][-1] - eces[name][Method.IDENTITY.value][-1]
            signs = dict(zip(SIGNS, _signs(data), strict=True))
            fits_of_teacher.append({"task": name, "n": n, "harm": harm, **signs})
    table = []
    for name, by_method in eces.items():
        means = {method: float(np.mean(each)) for method, each in by_method.items()}
        raw, taught = (np.array(by_method[each]) for each in (Method.IDENTITY.value, TEACHER))
        table.append(
            {"subject": name, "n": n, "null_ece": nulls[name], **means}
            | {"worse_than_raw": float(np.mean(taught > raw))}
            | {f"{TEACHER}_draws": _middle(taught), f"{TEACHER}_t": _middle(np.array(ts[name]))}
        )
    return table, fits_of_teacher


def _middle(values: Floats) -> dict[str, float]:
    low, median, high = np.percentile(values, [2.5, 50, 97.5])
    return {"low": float(low), "median": float(median), "high": float(high)}


def _each(
    task: str,
    case: Case,
    drawn: Mapping[str, FitData],
    prior: Prior | None,
    held_out: NDArray[np.intp],
) -> Iterator[tuple[str, Floats, NDArray[np.bool_], float]]:
    """Each method's name, and confidence, correctness and T on the questions held out."""
    data, labels = drawn[task], case.own.labels[held_out]
    scores = case.own.logprobs[held_out]

    def of(name: str, fitted: Fitted, scores: Floats = scores) -> Any:
        t = temperature_of(fitted)
        return (name, *_chosen(fitted.calibrator, scores, labels), np.nan if t is None else t)

    for method in OWN:
        yield of(method.value, fit(method, data))
    if prior:
        yield of(POOLED, pooled(data, prior))
    choice = scores.argmax(axis=1)
    said = answer_distribution(case.teacher.logprobs[held_out])[np.arange(len(choice)), choice]
    yield BASE_SCORE, said, choice == labels, np.nan
    yield of(CALIBRATED_TEACHER, fit(Method.TEACHER_KL, _calibrated(data, list(drawn.values()))))
    liking = case.own.prior[held_out[0]]
    if not np.isnan(liking).any():
        fair = FitData(without_prior(data.logprobs, liking), teacher_logprobs=data.teacher_logprobs)
        yield of(DEBIASED, fit(Method.TEACHER_KL, fair), without_prior(scores, liking))


def _chosen(
    calibrator: Calibrator, scores: Floats, labels: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.bool_]]:
    probs = calibrator.apply(scores)
    return np.minimum(probs.max(axis=1), 1.0), probs.argmax(axis=1) == labels


def _calibrated(data: FitData, all_tasks: list[FitData]) -> FitData:
    """The same with the teacher at the temperature that all tasks' labels ask of it."""
    # In one fit, tasks of other numbers of options would need rows of one length.
    alike = [each for each in all_tasks if each.logprobs.shape[1] == data.logprobs.shape[1]]
    taught = FitData(
        np.concatenate([each.taught for each in alike]),
        labels=np.concatenate([each.answers for each in alike]),
    )
    t = temperature_of(fit(Method.TEMPERATURE, taught)) or 1.0
    return FitData(data.logprobs, labels=data.labels, teacher_logprobs=data.taught / t)


def _signs(data: FitData) -> tuple[float, float, float, float]:
    target = softmax(data.taught)
    disagreement = np.mean(data.logprobs.argmax(axis=1) != target.argmax(axis=1))
    estimate = task_estimate(data)
    left = fit(Method.TEACHER_KL, data).objective_after or 0.0
    error = 10.0 if estimate is None else estimate.standard_error
    relative = entropy(target).mean() / np.log(target.shape[1])
    return float(disagreement), float(relative), error, left


def _row(
    task: str, n: int, name: str, reached: list[tuple[float, float, float]], scores: Any
) -> dict[str, Any]:
    eces, briers, ts = (np.array(each) for each in zip(*reached, strict=True))
    raw = np.array([each[0] for each in scores[task, Method.IDENTITY.value]])
    row = {
        "task": task,
        "n": n,
        "method": name,
        "ece": float(eces.mean()),
        "worst_ece": float(np.percentile(eces, 97.5)),
        "brier": float(briers.mean()),
        "worse_than_raw": float(np.mean(eces > raw)),
    }
    if not np.isnan(ts).any():
        row["temperature"] = _middle(ts)
    return row
