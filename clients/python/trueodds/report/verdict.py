"""What a report comes to, for someone who has to decide: no more than the numbers carry."""

from __future__ import annotations

from enum import Enum

from trueodds.evaluation import Estimate, Report
from trueodds.report.metrics import NULL, difference, effect
from trueodds.report.text import count, decimal, esc, percent, signed

FEW = 100
"""Questions below which a report says so first."""


class Verdict(Enum):
    """Each with its headline; the last words are set apart."""

    BETTER = ("Its probabilities are better, by more than chance:", "activate it.")
    WORSE = ("Its probabilities are worse, by more than chance:", "do not activate it.")
    MIXED = ("One score gets better and the other worse:", "look closer before you decide.")
    SAME = ("It changes nothing on these questions:", "nothing here speaks for activating it.")
    OPEN = ("What it changes may be chance:", "nothing here speaks for activating it.")
    FLATTERED = ("It was measured on the questions that it was fitted on:",
                 "measure it on others before you decide.")  # fmt: skip


def verdict(report: Report) -> Verdict:
    """Judge by the proper scores, log loss and Brier score, and by their intervals."""
    if report.in_sample:
        return Verdict.FLATTERED
    changes = [difference(report, name) for name in ("nll", "brier")]
    if changes == [Estimate(0.0, 0.0, 0.0)] * 2:
        return Verdict.SAME
    effects = {effect(change, -1) for change in changes}
    if effects == {1, -1}:
        return Verdict.MIXED
    if 1 in effects:
        return Verdict.BETTER
    return Verdict.WORSE if -1 in effects else Verdict.OPEN


def headline(report: Report) -> str:
    """Say the verdict in a sentence."""
    first, second = verdict(report).value
    css = {Verdict.BETTER: "now", Verdict.SAME: "to", Verdict.OPEN: "to"}.get(
        verdict(report), "was"
    )
    return f'<h1>{first} <span class="second {css}">{second}</span></h1>'


def lede(report: Report) -> str:
    """Give the numbers behind the verdict."""
    parts = [_means(report)]
    for name, words in (("nll", "Its log loss"), ("brier", "its Brier score")):
        change = difference(report, name)
        if change is not None:
            before, after = report.before.metrics[name], report.after.metrics[name]
            parts.append(
                f'{words} went from <b class="was">{decimal(before.value)}</b> to '
                f'<b class="now">{decimal(after.value)}</b>{_interval(change)}'
            )
    text = ", and ".join(parts[1:])
    return f'<p class="lede">{parts[0]} {text}{"." if text else ""} {_error(report)}</p>'


def _means(report: Report) -> str:
    said, right = (
        [side.metrics.get(name) for side in (report.before, report.after)]
        for name in ("confidence", "accuracy")
    )
    measured = f"On {count(report.items)} questions"
    if None in said or None in right:
        return f"{measured}:"
    (was_said, now_said), (was_right, now_right) = (
        [percent(each.value) for each in pair if each is not None] for pair in (said, right)
    )
    still = "is still" if was_right == now_right else "is"
    return (
        f'{measured}, the model said <b class="was">{was_said}</b> and was right {was_right} of '
        f'the time; calibrated, it says <b class="now">{now_said}</b> and {still} right '
        f"{now_right} of the time."
    )


def _interval(change: Estimate) -> str:
    if change.lower == change.upper:
        return ""
    return (
        f" (a difference of {signed(change.value)}, {percent(0.95)} interval "
        f"{signed(change.lower)} to {signed(change.upper)})"
    )


def _error(report: Report) -> str:
    before, after = (side.metrics.get("ece") for side in (report.before, report.after))
    if before is None or after is None:
        return ""
    chance = report.after.metrics.get(f"{NULL}ece")
    floor = "" if chance is None else (
        f", where a perfectly calibrated model would show {decimal(chance.value)} on so many "
        "questions")  # fmt: skip
    return (
        f'Its calibration error went from <b class="was">{decimal(before.value)}</b> to '
        f'<b class="now">{decimal(after.value)}</b>{floor}.'
    )


def warnings(report: Report) -> list[tuple[str, str]]:
    """List what to know before trusting the verdict: a few words, and a sentence."""
    calibrator, found = report.calibrator, []
    if report.in_sample:
        found.append(("Its own questions.", "Scores and answers are those of the fit, which "
                      "flatters: a method of many parameters looks perfect on them."))  # fmt: skip
    if report.items < FEW:
        found.append((f"Only {count(report.items)} questions.", "So few tell large differences "
                      "only, and a calibration error on them is mostly chance."))  # fmt: skip
    if calibrator.undetermined:
        found.append(("Undetermined.", "The data of the fit held no information about the "
                      "temperature, which was left at 1."))  # fmt: skip
    elif calibrator.at_bound:
        found.append(("At its bound.", "The temperature ran into the bounds of the search: the "
                      "data of the fit did not determine it."))  # fmt: skip
    if calibrator.fallback:
        found.append(("A fallback.", esc(calibrator.fallback)))
    if effect(difference(report, "accuracy"), +1) < 0:
        found.append(("Less often right.", "It changes which option is the likeliest, for the "
                      "worse."))  # fmt: skip
    return found
