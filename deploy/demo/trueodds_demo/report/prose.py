"""The page's words; every claim follows from the report's numbers."""

from __future__ import annotations

from trueodds.report.page import facts, notes
from trueodds.report.text import count, decimal, duration, esc, percent, plural, word
from trueodds_demo.report.model import Report
from trueodds_demo.report.summary import Summary

FOOT = (
    "Reproduce it with <code>make demo</code>: it serves the pair of models, fits the "
    "temperatures, scores the tasks and writes this page, on a GPU or on a laptop."
)


def headline(report: Report, summary: Summary) -> str:
    """Say in two short sentences what happened."""
    before = summary.before
    fit = f"{word(report.fit_questions)} unlabelled question"
    fit = (fit if report.fit_questions == 1 else fit + "s").capitalize()
    return (
        f'<h1>The aligned model said <span class="was">{percent(before.confidence)}</span> '
        f"and was right <em>{percent(before.accuracy)}</em> of the time. "
        f'<span class="second">{fit} a task <span class="now">{summary.verdict}</span>.</span></h1>'
    )


def lede(report: Report, summary: Summary) -> str:
    """Give the numbers behind the headline."""
    after, tasks = summary.after, len(report.tasks)
    same = percent(after.accuracy) == percent(summary.before.accuracy)
    share = f"all {word(tasks)}" if summary.improved == tasks else (
        f"{word(summary.improved)} of {word(tasks)}")  # fmt: skip
    return (
        f'<p class="lede">Calibrated, it said {percent(after.confidence)} and was '
        f"{'still ' if same else ''}right {percent(after.accuracy)} of the time. Its calibration "
        f'error went from <b class="was">{decimal(summary.before.mean_ece)}</b> to '
        f'<b class="now">{decimal(after.mean_ece)}</b> in the mean of {plural(tasks, "task")}, '
        f"where {decimal(after.mean_floor)} is noise, and fell in {share}. "
        f"{count(summary.questions)} questions were scored.</p>"
    )


def how_to_read() -> str:
    """Explain the large diagram."""
    told = (
        ("A dot", "gathers the questions answered with about the same confidence. Its area is "
         "their number. Across: how sure the model said it was. Up: how often it was right."),
        ("The dotted diagonal", "is where the two agree: of the answers given at "
         f"{percent(0.7)}, seven in ten are right. Below it the model is too sure of itself. The "
         "grey boxes are what chance would make of it."),
        ("The shaded bars", "join each dot to the diagonal, as wide as the dot has questions. "
         "So the shaded area is the calibration error itself, here that of all tasks pooled."),
        ("The strip below", "shows how often each confidence was voiced, and marks the mean: "
         "what the model said, and how often it was right."),
    )  # fmt: skip
    return notes(told)


def table_notes(report: Report) -> str:
    """Explain the table's columns."""
    told = (
        ("Calibration error", "(ECE) is the mean distance between confidence and accuracy over "
         f"{word(len(report.tasks[0].bins_after))} bins of confidence. In the drawing beside it, a "
         'dot <b class="was">before</b> and a dot <b class="now">after</b>; it starts at zero.'),
        ("The noise floor,", "shaded in the drawing, is what a perfectly calibrated model would "
         f"show on average at {count(report.n_per_task)} questions, for the estimate is biased "
         "upward. An error near the floor cannot be told from none."),
        ("The teacher’s ECE", "is that of the pre-trained model with worked examples in its "
         "prompt. The repair leans on it, and is as good as the teacher is calibrated."),
    )  # fmt: skip
    return notes(told)


def how_it_works(report: Report) -> str:
    """Explain the method in four steps."""
    moved = any(abs(t.accuracy_before - t.accuracy_after) > 1e-9 for t in report.tasks)
    kept = "" if moved else " In this run it did not, in any task."
    fit = plural(report.fit_questions, "question")
    steps = (
        ("Two uncertainties, taken apart",
         _formula("p(<i>a</i> | x) = p(<i>a</i> | x, <i>F</i>) · p(<i>F</i> | x)"),
         "A model may doubt <i>which</i> option <i>a</i> is right, or whether to reply in the form "
         "<i>F</i>, such as “(A)”, at all. Only the first is about the answer. It is read from "
         "the exact log-probabilities of the options, given the form."),
        ("A teacher that still knows its doubts",
         _formula("q = p<sub>pre-trained</sub>(<i>a</i> | x, <i>F</i>)"),
         "Pre-training leaves a model well calibrated; alignment teaches it to sound certain. The "
         "pre-trained counterpart, shown worked examples, says how sure one ought to be."),
        (f"One temperature from {fit}",
         _formula("T = argmin KL( q ‖ softmax(z / T) )"),
         "For each task, T is the temperature that brings the aligned model’s options closest to "
         "the teacher’s. It needs no labels, and the sum to minimise is convex in 1/T."),
        ("The answers stay as they are",
         _formula("z<sub>a</sub> &gt; z<sub>b</sub> ⇔ z<sub>a</sub>/T &gt; z<sub>b</sub>/T"),
         "Dividing by T keeps the order of the options, so the accuracy cannot change: only how "
         f"sure the model says it is.{kept}"),
    )  # fmt: skip
    items = "".join(f"<li><h3>{h}</h3>{f}<p>{text}</p></li>" for h, f, text in steps)
    source = (
        '<p class="intro">After He et al., <cite>Investigating Uncertainty Calibration of Aligned '
        "Language Models under the Multiple-Choice Setting</cite>, 2023 (arXiv 2310.11732).</p>"
    )
    return f'{source}<ol class="steps">{items}</ol>'


def this_run(report: Report) -> str:
    """List what ran."""
    return facts((
        ("Aligned model", esc(report.aligned_model)),
        ("Teacher", esc(report.teacher_model)),
        ("Engine", esc(report.engine)),
        ("Questions", f"{count(report.total_questions)} in {duration(report.seconds)}"),
        ("Throughput", f"{count(report.questions_per_second)} questions a second"),
        ("Fitted from", f"{plural(report.fit_questions, 'unlabelled question')} a task"),
    ))  # fmt: skip


def _formula(text: str) -> str:
    return f'<p class="formula">{text}</p>'
