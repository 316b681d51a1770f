"""The path of a fit: items → scores of the model and its teacher → calibrator → store."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from trueodds_service.core.calibrators.methods import SPECS, Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.errors import InvalidInput, field
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.arrays import long_work
from trueodds_service.flows.catalog import Catalog, ModelEntry
from trueodds_service.flows.fit_data import (
    Asked,
    FitQuestions,
    NoData,
    Progress,
    Said,
    ask,
    common_key,
    data_hash,
    prompts_hash,
)
from trueodds_service.flows.fit_record import Bias, fitted_record, versions
from trueodds_service.flows.prior import prior_for
from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import CONFIDENCES_ALONE, FitRequest, Prior, Provenance, Scope

# What Zhao et al. 2021 ask in place of a question.
_WITHOUT_CONTENT = ("N/A", "", "[MASK]")
# Where every item has options of its own, the bias is read with those of the first items.
_MAX_OPTION_SETS = 16

PATIENCE_SECONDS = 300.0
"""How long a fit waits for a store that is away when all is done but to keep it."""


@dataclass(frozen=True, slots=True)
class FitQuery:
    """What to fit, on what. ``method`` is None to choose one.

    ``teacher`` is a model's name; None for the configured one. ``teacher_reading`` is None where
    the teacher is read as the model. ``request`` is the caller's name for it all, if any.
    A degenerate fit is not activated unless ``force`` is set. With ``any_options`` the items may
    have different numbers of options, and the method is one that ends in one temperature.
    """

    model: str
    task: str
    reading: Reading
    method: Method | None
    temperature: float
    teacher: str | None
    source: FitQuestions | FitData | NoData
    activate: bool = False
    force: bool = False
    teacher_reading: Reading | None = None
    bias: Bias = Bias.NONE
    request: FitRequest | None = None
    validate_only: bool = False
    any_options: bool = False


async def fit(
    query: FitQuery, catalog: Catalog, calibrators: Calibrators
) -> AsyncIterator[Progress | Calibrator]:
    """Fits a calibrator, stores it, and activates it where asked: progress first, it last.

    A degenerate one is stored all the same; that it is not active tells the caller. Nothing is
    stored unless the whole fit succeeds, and nothing is done for a request that was answered
    before. Raises a ServiceError.
    """
    model = catalog.find(query.model)
    if query.request is not None:
        answered = await calibrators.answered(query.request)
        if answered is not None:
            yield answered
            return
    teacher = _teacher(query, model, catalog)
    check_enough(query)
    scope = _scope(query, model)
    asked = asked_of(query, model, teacher)
    # Before engines work: a store that is away, or takes no more, then costs them nothing.
    if asked and not query.validate_only:
        await calibrators.check_room()
    prior = await prior_of(query, scope, teacher, calibrators)
    said: Sequence[Said] = ()
    async for event in ask(asked):
        if isinstance(event, Progress):
            yield event
        else:
            said = event
    calibrator = await long_work(record_of, query, scope, asked, model, teacher, said, prior)
    if not query.validate_only:
        activate = query.activate and (query.force or not calibrator.degenerate)
        # What engines have worked for is not given up for a store that is away for a moment.
        patience = PATIENCE_SECONDS if isinstance(query.source, FitQuestions) else 0.0
        calibrator = await calibrators.keep(calibrator, activate, query.request, patience)
    yield calibrator


async def prior_of(
    query: FitQuery, scope: Scope, teacher: ModelEntry | None, calibrators: Calibrators
) -> Prior | None:
    """What other tasks tell, where the method may want to know."""
    if query.method not in (None, Method.TEACHER_POOLED):
        return None
    return await prior_for(scope, query.bias, teacher, calibrators)


def record_of(
    query: FitQuery,
    scope: Scope,
    asked: Sequence[Asked],
    model: ModelEntry,
    teacher: ModelEntry | None,
    said: Sequence[Said],
    prior: Prior | None,
) -> Calibrator:
    """What is fitted on what was said; nothing is stored. Blocks; raises InvalidInput."""
    data = _data_of(query, said, taught=teacher is not None)
    provenance = _provenance(model, teacher, data, asked, prior)
    with field(_source_field(query)):
        return fitted_record(scope, query.method, data, query.bias, query.temperature, provenance)


def _teacher(query: FitQuery, model: ModelEntry, catalog: Catalog) -> ModelEntry | None:
    """The model that teaches; None where the method needs none or its scores are at hand."""
    if not isinstance(query.source, FitQuestions):
        return None
    if query.method is not None and not SPECS[query.method].needs_teacher:
        return None
    name = query.teacher or model.teacher
    if name is None:
        if query.method is None:
            return None
        raise InvalidInput("teacher", f"models/{model.name} has none configured; name one")
    if name == model.name:
        raise InvalidInput("teacher", "a model cannot teach itself")
    return catalog.find(name)


def check_enough(query: FitQuery) -> None:
    """Refuses what the method could not be fitted on, before anything is scored."""
    if query.method is None or isinstance(query.source, NoData):
        return
    spec = SPECS[query.method]
    answers = query.source.answers
    count = int((answers >= 0).sum()) if spec.needs_labels else len(answers)
    if count < spec.min_items:
        what = "items with answers" if spec.needs_labels else "items"
        raise InvalidInput(
            f"{_source_field(query)}.items",
            f"METHOD_{query.method.name} needs at least {spec.min_items} {what}, not {count}",
            reason="TOO_FEW_ITEMS",
        )


def _source_field(query: FitQuery) -> str:
    return "scores" if isinstance(query.source, FitData) else "questions"


def asked_of(query: FitQuery, model: ModelEntry, teacher: ModelEntry | None) -> list[Asked]:
    """What to ask of whom: the model, its teacher, and the model again without content."""
    source = query.source
    if not isinstance(source, FitQuestions):
        return []
    asked = [Asked(model, source.questions, source.shots, query.reading, finite=True)]
    if teacher is not None:
        shots = source.teacher_shots or source.shots
        reading = query.teacher_reading or query.reading
        asked.append(Asked(teacher, source.questions, shots, reading, finite=True))
    if query.bias is Bias.CONTEXTUAL:
        empty = tuple(_without_content(source.questions))
        asked.append(
            Asked(model, empty, source.shots, query.reading, "bias_correction", finite=True)
        )
    return asked


def _without_content(questions: Sequence[Question]) -> Iterator[Question]:
    """Questions that ask nothing, with the options that the items have."""
    options = dict.fromkeys((each.options, each.labels) for each in questions)
    for texts, labels in list(options)[:_MAX_OPTION_SETS]:
        for nothing in _WITHOUT_CONTENT:
            yield Question(nothing, texts, labels)


def _data_of(query: FitQuery, said: Sequence[Said], *, taught: bool) -> FitData | None:
    """What to fit on; None for methods that need none. ``said`` is the answer to ``asked_of``;
    ``taught``: a teacher was among those asked.
    """
    match query.source:
        case FitData() as data:
            return data
        case FitQuestions(answers=answers):
            return FitData(
                logprobs=said[0].scores,
                labels=answers,
                teacher_logprobs=said[1].scores if taught else None,
                teacher_format=said[1].format_probability if taught else None,
                options=said[0].options if query.any_options else None,
                content_free=said[-1].scores if query.bias is Bias.CONTEXTUAL else None,
            )
        case NoData():
            return None


def _scope(query: FitQuery, model: ModelEntry) -> Scope:
    key = query.reading.key()
    match query.source:
        case FitData(alone=True):
            key, options = CONFIDENCES_ALONE, 0
        case FitQuestions(questions=questions):
            key, options = common_key(questions, query.reading), len(questions[0].options)
        case FitData(logprobs=logprobs):
            options = logprobs.shape[1]
        case NoData(options=options, kind=kind):
            key = key if kind is None else query.reading.key_of(kind)
    if query.any_options:
        options = 0
    return model.scope(query.task, key, options)


def _provenance(
    model: ModelEntry,
    teacher: ModelEntry | None,
    data: FitData | None,
    asked: Sequence[Asked],
    prior: Prior | None,
) -> Provenance:
    return Provenance(
        teacher="" if teacher is None else teacher.name,
        teacher_revision="" if teacher is None else teacher.revision,
        teacher_reading="" if teacher is None else common_key(asked[1].questions, asked[1].reading),
        items=0 if data is None else len(data.logprobs),
        labelled=0 if data is None else int(data.known.sum()),
        data_hash="" if data is None else data_hash(data.logprobs, data.answers),
        prompts_hash=prompts_hash(asked) if asked else "",
        prior=prior,
        versions=versions_of(model),
    )


def versions_of(model: ModelEntry) -> dict[str, str]:
    """The versions of the software that fits, and of the model's engine, by name."""
    found = versions()
    if model.served is not None:
        found[model.served.info.name] = model.served.info.version
    return found
