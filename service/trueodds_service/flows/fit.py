"""The path of a fit: items → logprobs of the model and its teacher → temperature → store."""

import hashlib
import platform
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from trueodds_service.core import fits
from trueodds_service.core.data import DataError, FitData
from trueodds_service.core.distributions import answer_distribution
from trueodds_service.core.methods import Method
from trueodds_service.core.metrics import evaluate
from trueodds_service.core.solver import Bound
from trueodds_service.errors import InvalidInput, NotReady, ServiceError
from trueodds_service.flows.calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.flows.read import read
from trueodds_service.prompts.formats import FORMAT_VERSION
from trueodds_service.prompts.question import Question, Shot
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import Provenance, Scope

# Prompts scored between two reports of progress.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class FitQuestions:
    """Questions for the service to score, and their answers, (n,): -1 where one is not known."""

    shots: tuple[Shot, ...]
    questions: tuple[Question, ...]
    answers: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FitScores:
    """Option scores, (n, k) each, and the answers, (n,): -1 where one is not known.

    A score is what the answer distribution is the softmax of: the raw logprob, unless the
    reading normalizes or corrects it.
    """

    logprobs: NDArray[np.float64]
    teacher_logprobs: NDArray[np.float64] | None
    answers: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NoData:
    """For methods that need none: only the number of options that the calibrator is for."""

    options: int


@dataclass(frozen=True, slots=True)
class FitQuery:
    """What to fit, on what. ``teacher`` is a model's name; None for the configured one."""

    model: str
    task: str
    reading: Reading
    method: Method
    temperature: float
    teacher: str | None
    source: FitQuestions | FitScores | NoData
    activate: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Prompts scored so far, and in all."""

    done: int
    total: int


async def fit(
    query: FitQuery, catalog: Catalog, calibrators: Calibrators
) -> AsyncIterator[Progress | Calibrator]:
    """Fits a calibrator, stores it, and activates it where asked: progress first, it last.

    Nothing is stored unless the whole fit succeeds. Raises a ServiceError.
    """
    model = catalog.find(query.model)
    teacher = _teacher(query, model, catalog)
    data = FitScores(np.empty((0, 2)), None, np.empty(0, np.int64))
    key = query.reading.key()
    if isinstance(query.source, FitScores):
        data = query.source
    elif isinstance(query.source, FitQuestions):
        key = _common_key(query.source, query.reading)
        scores: dict[str, NDArray[np.float64]] = {}
        scored_by = [model] if teacher is None else [model, teacher]
        count = len(query.source.questions)
        for entry in scored_by:
            rows: list[NDArray[np.float64]] = []
            for start in range(0, count, _CHUNK):
                rows += await _chunk(entry, query, query.source, start)
                yield Progress(len(scores) * count + len(rows), len(scored_by) * count)
            scores[entry.name] = np.stack(rows)
        data = FitScores(
            scores[model.name],
            None if teacher is None else scores[teacher.name],
            query.source.answers,
        )
    calibrator = await calibrators.ask(
        calibrators.store.put, _calibrator(query, model, teacher, data, key)
    )
    if query.activate:
        await calibrators.activate(calibrator)
    yield calibrator


def _teacher(query: FitQuery, model: ModelEntry, catalog: Catalog) -> ModelEntry | None:
    """The model that teaches; None where the method needs none or its scores are at hand."""
    if query.method is not Method.TEACHER_KL or not isinstance(query.source, FitQuestions):
        return None
    name = query.teacher or model.teacher
    if name is None:
        raise InvalidInput("teacher", f"models/{model.name} has none configured; name one")
    if name == model.name:
        raise InvalidInput("teacher", "a model cannot teach itself")
    return catalog.find(name)


def _common_key(source: FitQuestions, reading: Reading) -> str:
    """The way of reading of all questions, as a scope names it."""
    keys = [reading.key(question) for question in source.questions]
    for place, key in enumerate(keys):
        if key != keys[0]:
            raise InvalidInput(
                f"questions.items[{place}].question.prompt",
                "has to be of the same kind in all items: a calibrator is for one way of reading",
            )
    return keys[0]


async def _chunk(
    entry: ModelEntry, query: FitQuery, source: FitQuestions, start: int
) -> list[NDArray[np.float64]]:
    questions = source.questions[start : start + _CHUNK]
    outcomes, _ = await read(entry.ready(), questions, source.shots, query.reading)
    rows = []
    for place, outcome in enumerate(outcomes, start):
        item = f"questions.items[{place}].question"
        if isinstance(outcome, InvalidInput):
            raise outcome.under(item)
        if isinstance(outcome, ServiceError):
            raise NotReady(f"{item}, models/{entry.name}: {outcome.message}", reason=outcome.reason)
        rows.append(outcome.scores)
    return rows


def _calibrator(
    query: FitQuery, model: ModelEntry, teacher: ModelEntry | None, data: FitScores, key: str
) -> Calibrator:
    options = query.source.options if isinstance(query.source, NoData) else data.logprobs.shape[1]
    fitted = _fitted(query, data)
    return Calibrator(
        scope=Scope(model.name, model.revision, query.task, key, FORMAT_VERSION, options),
        method=query.method.value,
        parameters=fitted.calibrator.parameters,
        at_bound=fitted.at_bound is not Bound.NONE,
        undetermined=fitted.undetermined,
        provenance=Provenance(
            teacher="" if teacher is None else teacher.name,
            teacher_revision="" if teacher is None else teacher.revision,
            items=len(data.logprobs),
            data_hash=_data_hash(data) if len(data.logprobs) else "",
            versions=_versions(model),
        ),
        metrics=_metrics(fitted, data),
    )


def _fitted(query: FitQuery, data: FitScores) -> fits.Fitted:
    field = "scores.items" if isinstance(query.source, FitScores) else "questions.items"
    try:
        items = None
        if len(data.logprobs):
            items = FitData(data.logprobs, data.answers, data.teacher_logprobs)
        return fits.fit(query.method, items, temperature=query.temperature)
    except DataError as error:
        at = field if error.item is None else f"{field}[{error.item}].{error.argument}"
        raise InvalidInput(at, error.reason) from error
    except fits.FitError as error:
        raise InvalidInput(field, str(error), reason="TOO_FEW_ITEMS") from error


def _metrics(fitted: fits.Fitted, data: FitScores) -> dict[str, float]:
    """Measured on the items of the fit itself, so they flatter: a check, no promise."""
    metrics: dict[str, float] = {}
    kl_before, kl_after = fitted.objective_before, fitted.objective_after
    if fitted.method is Method.TEACHER_KL and kl_before is not None and kl_after is not None:
        metrics |= {"kl_before": kl_before, "kl_after": kl_after}
    known = data.answers >= 0
    if known.any():
        logprobs, answers = data.logprobs[known], data.answers[known]
        before = evaluate(answer_distribution(logprobs), answers)
        after = evaluate(fitted.calibrator.apply(logprobs), answers)
        metrics |= {"labelled": before.n, "accuracy": before.accuracy}
        for name in ("confidence", "ece", "null_ece", "nll", "brier"):
            metrics[f"{name}_before"] = getattr(before, name)
            metrics[f"{name}_after"] = getattr(after, name)
    return metrics


def _data_hash(data: FitScores) -> str:
    """SHA-256 over the arrays and their shapes: what was fitted, without a word of it."""
    digest = hashlib.sha256()
    for array in (data.logprobs, data.teacher_logprobs, data.answers):
        if array is not None:
            digest.update(repr(array.shape).encode() + array.dtype.str.encode() + array.tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _versions(model: ModelEntry) -> dict[str, str]:
    versions = {
        "trueodds": version("trueodds"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }
    if model.served is not None:
        versions[model.served.info.name] = model.served.info.version
    return versions
