"""Tables for people."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from trueodds.answer import Answer
from trueodds.calibrator import Calibrator, Prior, Selection
from trueodds.errors import TrueoddsError
from trueodds.evaluation import Estimate
from trueodds.model import Model, ModelState
from trueodds.question import Question

_SHOWN = 8
"""Numbers of a parameter that are written out."""


def answer_table(question: Question, outcome: Answer | TrueoddsError) -> Table:
    """A question's options and how likely each is, or why it has no answer."""
    table = Table(title=Text(question.text), title_justify="left", caption_justify="left")
    if isinstance(outcome, TrueoddsError):
        table.add_column(Text(f"error: {outcome}", style="red"))
        return table
    for column in ("", "option", "raw", "calibrated"):
        table.add_column(column)
    for index, (text, option) in enumerate(zip(question.options, outcome.options, strict=True)):
        table.add_row(
            option.label,
            text,
            f"{option.probability:.1%}",
            f"{option.calibrated_probability:.1%}",
            style="bold" if index == outcome.choice else None,
        )
    table.caption = (
        f"p(format) {outcome.format_probability:.3f} · option mass {outcome.option_mass:.3f} · "
        + (outcome.calibrator or "not calibrated")
        + (" · abstained" if outcome.abstained else "")
        + (f" · answered by {outcome.answered_by}" if outcome.answered_by else "")
    )
    return table


def estimate_text(estimate: Estimate | None, digits: int) -> str:
    """A number, and its interval where it has one."""
    if estimate is None:
        return "–"
    if estimate.lower == estimate.upper:
        return f"{estimate.value:.{digits}f}"
    low, high = (f"{each:.{digits}f}" for each in (estimate.lower, estimate.upper))
    return f"{estimate.value:.{digits}f} ({low} to {high})"


def models_table(models: Iterable[Model]) -> Table:
    table = Table("model", "state", "revision", "teacher", "engine", "numbers", "prompt tokens")
    for model in models:
        table.add_row(
            model.name,
            _state(model),
            model.revision,
            model.teacher or "–",
            model.engine or "–",
            model.dtype or "–",
            str(model.max_prompt_tokens or "–"),
        )
    return table


def _state(model: Model) -> Text:
    if model.ready:
        if seconds := model.calibration_stale_seconds:
            return Text(f"ready; its calibrators are of {seconds:.0f} s ago", style="yellow")
        return Text("ready", style="green")
    why = f": {model.state_cause}" if model.state_cause else ""
    style = "red" if model.state is ModelState.FAILED else "yellow"
    return Text(f"{model.state.value}{why}", style=style)


def calibrators_table(calibrators: Iterable[Calibrator]) -> Table:
    table = Table()
    # A name is there to be copied: it is wrapped where it does not fit, never cut.
    table.add_column("calibrator", overflow="fold")
    for column in ("task", "method", "T", "items", "options", "created", "active"):
        table.add_column(column)
    for calibrator in calibrators:
        table.add_row(
            calibrator.name,
            calibrator.task or "(default)",
            calibrator.method.value,
            temperature_text(calibrator),
            str(calibrator.items or "–"),
            str(calibrator.options or "any"),
            f"{calibrator.created:%Y-%m-%d %H:%M}",
            "●" if calibrator.active else "",
        )
    return table


def calibrator_table(calibrator: Calibrator) -> Table:
    """Everything about one calibrator, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    lines = {
        "name": calibrator.name,
        "active": "yes" if calibrator.active else "no",
        "model": calibrator.model,
        "model revision": calibrator.model_revision,
        "task": calibrator.task or "(default)",
        "reading": calibrator.reading,
        "options": str(calibrator.options or "any"),
        "method": calibrator.method.value,
        "temperature": temperature_text(calibrator),
        **_parameters(calibrator),
        "fallback": calibrator.fallback,
        "bias correction": calibrator.bias_correction.value,
        "keeps the choice": "yes" if calibrator.keeps_choice else "no",
        "teacher": calibrator.teacher or "",
        "teacher revision": calibrator.teacher_revision or "",
        "teacher reading": calibrator.teacher_reading or "",
        "items": f"{calibrator.items}, {calibrator.labelled} with an answer",
        **_selection(calibrator.selection),
        **_prior(calibrator.prior),
        "measured with": ", ".join(calibrator.measured_with),
        "data": calibrator.data_hash,
        "prompts": calibrator.prompts_hash,
        "outcomes of": calibrator.outcomes_of or "",
        "created": f"{calibrator.created:%Y-%m-%d %H:%M:%S} UTC",
        **{name: f"{value:.6g}" for name, value in sorted(calibrator.metrics.items())},
        **dict(sorted(calibrator.versions.items())),
    }
    for name, value in lines.items():
        if value:
            table.add_row(name, value)
    return table


def _parameters(calibrator: Calibrator) -> dict[str, str]:
    return {
        name: " ".join(f"{value:.6g}" for value in values[:_SHOWN])
        + (f" … ({len(values)})" if len(values) > _SHOWN else "")
        for name, values in sorted(calibrator.parameters.items())
        if name != "temperature"
    }


def _selection(selection: Selection | None) -> dict[str, str]:
    if selection is None:
        return {}
    return {"chosen by": selection.criterion, "chosen because": selection.reason} | {
        f"  {each.method.value}": each.excluded
        or ("" if each.score is None else f"{each.score:.6g} ± {each.standard_error or 0:.2g}")
        for each in selection.candidates
    }


def _prior(prior: Prior | None) -> dict[str, str]:
    if prior is None:
        return {}
    told = f"ln T = {prior.mean:.4f} ± {prior.standard_deviation:.4f}"
    return {"prior": f"{told}, from {len(prior.calibrators)} calibrators"}


def temperature_text(calibrator: Calibrator) -> str:
    """The temperature, and what a reader has to know before trusting it."""
    if calibrator.temperature is None:
        return "–"
    trust = " (at bound)" if calibrator.at_bound else ""
    if calibrator.undetermined:
        trust = " (undetermined)"
    return f"{calibrator.temperature:.4f}{trust}"
