"""The numbers, task by task."""

from __future__ import annotations

from trueodds.report.page import change, table
from trueodds.report.text import decimal, esc, percent, px
from trueodds_demo.report.model import Report, TaskResult
from trueodds_demo.report.summary import Summary

RANGE_WIDTH, RANGE_HEIGHT, RANGE_INSET = 190.0, 22.0, 7.0


def results_table(report: Report, summary: Summary) -> str:
    """Tabulate accuracy, confidence and calibration error of every task, and of all."""
    top = max(max(t.ece_before, t.ece_after, t.null_ece_after, t.teacher_ece)
              for t in report.tasks) or 1.0  # fmt: skip
    head = (
        ("Task", "t"), ("Accuracy", "n"), ("Confidence", "n"), ("Calibration error (ECE)", "n"),
        ("", "r"), ("Noise floor", "n"), ("Teacher’s ECE", "n"), ("Temperature", "n"),
    )  # fmt: skip
    rows = [
        (
            _name(task),
            _accuracy(task.accuracy_before, task.accuracy_after),
            change(percent(task.confidence_before, 1), percent(task.confidence_after, 1)),
            change(decimal(task.ece_before), decimal(task.ece_after)),
            ece_range(task, top),
            decimal(task.null_ece_after),
            decimal(task.teacher_ece),
            decimal(task.temperature, 2),
        )
        for task in report.tasks
    ]
    before, after = summary.before, summary.after
    total = (
        "All tasks <small>mean</small>",
        _accuracy(before.accuracy, after.accuracy),
        change(percent(before.confidence, 1), percent(after.confidence, 1)),
        change(decimal(before.mean_ece), decimal(after.mean_ece)),
        "",
        decimal(after.mean_floor),
        decimal(sum(t.teacher_ece for t in report.tasks) / len(report.tasks)),
        "",
    )
    return table("Results by task, before and after calibration", head, rows, total)


def scores_table(report: Report) -> str:
    """Tabulate the proper scores, the format probability and the calibrator of every task."""
    head = (
        ("Task", "t"), ("Log loss", "n"), ("Brier score", "n"), ("Format probability", "n"),
        ("Teacher’s accuracy", "n"), ("Questions", "n"), ("Calibrator", "t"),
    )  # fmt: skip
    rows = [
        (
            _name(task),
            change(decimal(task.nll_before), decimal(task.nll_after)),
            change(decimal(task.brier_before), decimal(task.brier_after)),
            percent(task.format_probability, 1),
            percent(task.teacher_accuracy, 1),
            f"{task.n:,}",
            f'<code title="{esc(task.calibrator)}">{esc(task.calibrator)}</code>',
        )
        for task in report.tasks
    ]
    return table("Proper scores, format probability and calibrator by task", head, rows)


def ece_range(task: TaskResult, top: float) -> str:
    """Draw a task's ECE before and after on a line from 0 to `top`, the noise floor shaded."""
    span = RANGE_WIDTH - 2 * RANGE_INSET

    def x(value: float) -> str:
        return px(RANGE_INSET + span * value / top)

    middle = px(RANGE_HEIGHT / 2)
    floor = px(span * task.null_ece_after / top)
    return (
        f'<svg class="range" viewBox="0 0 {px(RANGE_WIDTH)} {px(RANGE_HEIGHT)}" aria-hidden="true">'
        f'<rect class="floor" x="{px(RANGE_INSET)}" y="2" width="{floor}" height="18"/>'
        f'<path class="line" d="M{x(task.ece_before)} {middle}H{x(task.ece_after)}"/>'
        f'<circle class="was" cx="{x(task.ece_before)}" cy="{middle}" r="5"/>'
        f'<circle class="now" cx="{x(task.ece_after)}" cy="{middle}" r="5"/></svg>'
    )


def _name(task: TaskResult) -> str:
    return f"{esc(task.task)} <small>{task.options} options</small>"


def _accuracy(before: float, after: float) -> str:
    first, second = percent(before, 1), percent(after, 1)
    return first if first == second else change(first, second)
