"""The report of a calibrator, as one page and as pictures."""

from __future__ import annotations

from trueodds.evaluation import Evaluation, ReliabilityBin, Report
from trueodds.report.curve import curve, curve_picture
from trueodds.report.diagram import whiskers
from trueodds.report.metrics import NULL
from trueodds.report.page import document, facts, notes, section
from trueodds.report.pair import CAPTION, Side, pair, picture
from trueodds.report.palette import sheet
from trueodds.report.panel import FRAME
from trueodds.report.record import provenance, temperature
from trueodds.report.tables import abstention_table, answer_set_table, bin_tables, metrics_table
from trueodds.report.text import count, decimal, esc, percent
from trueodds.report.verdict import Verdict, headline, lede, verdict, warnings

TITLE = "reliability"
FOOT = (
    f"Made by <code>trueodds report</code>. Intervals are at {percent(0.95)}: of accuracies "
    "Wilson’s, of metrics and differences by the bootstrap over questions."
)


def render(report: Report) -> str:
    """Draw the whole report as one HTML file; the same report always gives the same page."""
    name = report.calibrator.task or report.calibrator.model
    return document(
        title=f"trueodds: {esc(name)}, calibrated",
        brand="calibration report",
        top=headline(report) + lede(report) + _warnings(report) + _subject(report),
        sections=_sections(report),
        foot=FOOT,
        css=sheet("report.css"),
    )


def pictures(report: Report) -> dict[str, str]:
    """Draw the figures as SVG files, by their names."""
    drawn = {}
    for name, mass in (("reliability", False), ("reliability-equal-mass", True)):
        title = f"Reliability before and after calibration, bins of {_kind(mass)}"
        drawn[name] = picture(_sides(report, mass), title=title, caption=CAPTION)
    drawn["risk-coverage"] = curve_picture(report)
    return drawn


def _sections(report: Report) -> list[str]:
    sections = [
        section("reliability", "How sure, and how often right",
                pair(_sides(report, False), key="width", title=TITLE) + _how_to_read()),
        section("metrics", "In numbers", metrics_table(report) + _metric_notes()),
        section("abstention", "Answer only when sure", _abstention(report)),
    ]  # fmt: skip
    if report.answer_sets:
        sections.append(section("sets", "Or give a set of options", _answer_sets(report)))
    sections += [
        section("record", "Where it comes from", provenance(report)),
        section("bins", "Every bin", _bins(report)),
    ]
    return sections


def _sides(report: Report, mass: bool) -> list[Side]:
    return [
        _side("before", "Before", "raw probabilities", report.before, mass),
        _side("after", "After", "calibrated", report.after, mass),
    ]


def _side(key: str, heading: str, note: str, side: Evaluation, mass: bool) -> Side:
    bins: tuple[ReliabilityBin, ...] = side.equal_mass if mass else side.equal_width
    name = "ece_equal_mass" if mass else "ece"
    error, chance = side.metrics.get(name), side.metrics.get(f"{NULL}{name}")
    unit = "calibration error (ECE)" if error else ""
    if error and chance:
        unit = f"ECE; {decimal(chance.value)} if calibrated"
    return Side(
        key, heading, note, decimal(error.value) if error else "", unit, bins,
        intervals=whiskers(bins, FRAME), histogram=side.equal_width,
    )  # fmt: skip


def _kind(mass: bool) -> str:
    return "equal mass" if mass else "equal width"


def _warnings(report: Report) -> str:
    found = warnings(report)
    items = "".join(f'<li><b class="was">{head}</b> {text}</li>' for head, text in found)
    return f'<ul class="warnings">{items}</ul>' if found else ""


def _subject(report: Report) -> str:
    calibrator = report.calibrator
    pairs = [
        ("Model", esc(calibrator.model)),
        ("Task", esc(calibrator.task) or "the model’s default"),
        ("Method", esc(calibrator.method.value)),
        ("Temperature", temperature(calibrator)),
        ("Fitted from", f"{count(calibrator.items)} questions"),
        ("Measured on", f"{count(report.items)} questions"),
    ]
    told = facts([pair for pair in pairs if pair[1]])
    return f'<div class="subject">{told}</div>{_next_step(report)}'


def _next_step(report: Report) -> str:
    said, name = verdict(report), report.calibrator.name
    if report.calibrator.active:
        text, command = "It is active now.", ""
        if said is Verdict.WORSE:
            text += " To take it back:"
            command = f"trueodds calibrators rollback {name}"
    elif said in (Verdict.BETTER, Verdict.MIXED):
        text, command = "To let it answer:", f"trueodds calibrators activate {name}"
    else:
        return ""
    return f'<p class="state">{text} <code>{esc(command)}</code></p>'


def _how_to_read() -> str:
    return notes((
        ("A dot", "gathers the questions answered with about the same confidence, its area their "
         "number. Across: how sure the model said it was. Up: how often it was right."),
        ("The dotted diagonal", f"is where the two agree: of the answers given at {percent(0.7)}, "
         "seven in ten are right. The coloured area between it and the dots is the error."),
        ("The grey boxes", "are chance: the dots of a perfectly calibrated model would lie in "
         "them 95 times in a hundred; a bin too small to tell has none. The line through a dot is "
         "its own 95 % interval."),
        ("The strip below", "is the histogram of confidence with the number of questions in each "
         "bin, and marks what the model said on average and how often it was right."),
    ))  # fmt: skip


def _metric_notes() -> str:
    return notes((
        ("Log loss and Brier score", "are proper: they are least for the true probabilities, and "
         "decide the verdict above. The calibration errors alone would not do."),
        ("If calibrated", "is the error that a perfectly calibrated model of the same confidences "
         "would show on so many questions. An error near it cannot be told from none."),
        ("The difference", "is after less before on the same questions. Where its interval holds "
         "zero, it may be chance."),
    ))  # fmt: skip


def _abstention(report: Report) -> str:
    told = (
        '<p class="intro">Below a confidence the service can withhold its answer '
        "(<code>ScoreSettings.min_confidence</code>). The thresholds below keep the share of "
        "wrong answers under the risk with 95 % confidence, on questions like these.</p>"
        + abstention_table(report)
    )
    drawn = (
        '<div class="wide scroll" role="region" aria-label="Risk and coverage" tabindex="0">'
        f"{curve(report)}</div>"
    )
    return drawn + (told if report.abstentions else "")


def _answer_sets(report: Report) -> str:
    intro = (
        '<p class="intro">Instead of one option, <code>ScoreSettings.answer_set</code> gives as '
        "many as it takes to hold the right one with the probability on the left, on questions "
        "like these (split conformal prediction).</p>"
    )
    return intro + answer_set_table(report)


def _bins(report: Report) -> str:
    drawn = (
        pair(_sides(report, True), key="mass", title=f"{TITLE}, bins of equal mass")
        if report.after.equal_mass
        else ""
    )
    return (
        "<details><summary>The diagrams with bins of equal mass, and all bins in numbers</summary>"
        f'{drawn}<div class="bins">{bin_tables(report)}</div></details>'
    )
