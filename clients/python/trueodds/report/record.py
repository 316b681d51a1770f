"""Where a calibrator comes from: its scope, its fit, and how its method was chosen."""

from __future__ import annotations

from collections.abc import Iterator

from trueodds.calibrator import BiasCorrection, Calibrator, Selection
from trueodds.evaluation import Report
from trueodds.report.page import facts, table
from trueodds.report.text import count, decimal, esc

LONG = 8
"""Parameters that are written out; of longer ones their number."""


def provenance(report: Report) -> str:
    """List what the calibrator is for, and what it was fitted from."""
    calibrator = report.calibrator
    pairs = [(name, value) for name, value in _facts(report) if value]
    chosen = calibrator.selection
    return facts(pairs) + (_selection(chosen, calibrator) if chosen else "")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    c = report.calibrator
    yield "Calibrator", _code(c.name)
    yield "Model", _code(c.model)
    yield "Model revision", _code(c.model_revision)
    yield "Task", esc(c.task) or "the model’s default"
    reading = f"{esc(c.reading)}, {count(c.options) if c.options else 'any number of'} options"
    yield "Read as", reading + (f", version {c.format_version}" if c.format_version else "")
    yield "Method", _code(c.method.value)
    yield "Temperature", temperature(c)
    for name, values in c.parameters.items():
        if name != "temperature" and values:
            yield f"Parameter {esc(name)}", _numbers(values)
    if c.bias_correction is not BiasCorrection.NONE:
        yield "Bias correction", _code(c.bias_correction.value)
    yield "Changes the choice", "never" if c.keeps_choice else "it may"
    yield "Teacher", _code(c.teacher or "") + (
        f", read as {esc(c.teacher_reading)}" if c.teacher_reading else "")  # fmt: skip
    yield "Teacher revision", _code(c.teacher_revision or "")
    yield "Fitted from", f"{count(c.items)} questions, {count(c.labelled)} with an answer"
    if c.prior:
        spread = f"ln T = {decimal(c.prior.mean)} ± {decimal(c.prior.standard_deviation)}"
        yield "Prior", f"{spread}, from {count(len(c.prior.calibrators))} calibrators"
    yield "Fallback", esc(c.fallback)
    yield "Data of the fit", _code(c.data_hash)
    yield "Prompts of the fit", _code(c.prompts_hash)
    yield "Outcomes of", _code(c.outcomes_of or "")
    yield "Measured on", f"{count(report.items)} questions {_code(report.data_hash)}"
    yield "Created", f"{c.created:%Y-%m-%d %H:%M} UTC"
    yield "Versions", ", ".join(f"{esc(k)} {esc(v)}" for k, v in sorted(c.versions.items()))
    for name, value in sorted(c.metrics.items()):
        yield f"{esc(name)} at the fit", f"{value:.4g}".replace("-", "−")


def temperature(calibrator: Calibrator) -> str:
    """Write the temperature and what to know of it; nothing where the method has none."""
    if calibrator.temperature is None:
        return ""
    trust = ", undetermined" if calibrator.undetermined else ", at its bound"
    told = trust if calibrator.undetermined or calibrator.at_bound else ""
    return f"{decimal(calibrator.temperature, 4)}{told}"


def _selection(chosen: Selection, calibrator: Calibrator) -> str:
    head = (("Method", "t"), ("Score", "n"), ("Standard error", "n"), ("", "t"))
    rows = []
    for each in chosen.candidates:
        taken = each.method is calibrator.method and not each.excluded
        rows.append((
            esc(each.method.value),
            "" if each.score is None else decimal(each.score, 4),
            "" if each.standard_error is None else decimal(each.standard_error, 4),
            '<span class="now">chosen</span>' if taken else esc(each.excluded),
        ))  # fmt: skip
    why = f'<p class="intro">By {esc(chosen.criterion)}: {esc(chosen.reason)}</p>'
    return f"<h3>How the method was chosen</h3>{why}" + table("Methods compared", head, rows)


def _code(text: str) -> str:
    return f"<code>{esc(text)}</code>" if text else ""


def _numbers(values: tuple[float, ...]) -> str:
    if len(values) > LONG:
        return f"{count(len(values))} numbers"
    return ", ".join(f"{value:.4g}".replace("-", "−") for value in values)
