"""The pictures of docs/concepts.md, from measured figures: ``python -m documentation.figures``.

The reliability diagrams are of ``build/demo/report.json``, which ``make demo`` writes; the others
are of the studies' committed results.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from studies.results import load

from documentation.pages import ROOT

BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"
_ENOUGH = 10  # answers in a bin that tell more than chance


def two_uncertainties() -> Figure:
    """Format probability and ECE of base and aligned model, with and without worked examples."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    form, answer = figure.subplots(1, 2, sharey=True)
    asked = [(model, shots) for model in ("demo-base", "demo-aligned") for shots in (0, 5)]
    names = [f"{model.removeprefix('demo-')}, {shots} shots" for model, shots in asked]
    colours = [BLUE if model == "demo-base" else ORANGE for model, _ in asked]
    rows = [_paren(model, shots) for model, shots in asked]
    form.barh(names, [_mean(each, "format_probability") for each in rows], color=colours)
    form.set(xlabel="p(format): does it answer so at all?", xlim=(0, 1))
    answer.barh(names, [_mean(each, "ece") for each in rows], color=colours)
    answer.set(xlabel="ECE of the answer: does its confidence come true?", xlim=(0, 0.25))
    form.invert_yaxis()
    for axes in (form, answer):
        _plain(axes)
    return figure


def overclaiming() -> Figure:
    """Accuracy and mean confidence of both models, task by task."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    for place, (model, colour) in enumerate((("demo-base", BLUE), ("demo-aligned", ORANGE))):
        rows = _paren(model, 5)
        heights = [index + 0.28 * place for index in range(len(rows))]
        right = [row["accuracy"] for row in rows]
        claimed = [row["confidence"] for row in rows]
        axes.hlines(heights, right, claimed, color=colour, lw=3, alpha=0.5)
        axes.plot(right, heights, "o", color=colour, mfc="white", label=f"{model}: is right")
        axes.plot(claimed, heights, "o", color=colour, label=f"{model}: claims")
        axes.set_yticks(heights, [row["task"] for row in rows])
    axes.set(xlabel="share of right answers (hollow), and mean confidence (filled)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.invert_yaxis()
    _plain(axes)
    return figure


def diagram(report: dict[str, Any]) -> Figure:
    """One task's reliability diagram before and after its calibrator, with what to look at."""
    task = next(each for each in report["tasks"] if each["task"] == "knowledge")
    figure = Figure(figsize=(8, 3.9), layout="constrained")
    for axes, when, colour, title in zip(
        figure.subplots(1, 2, sharey=True),
        ("before", "after"),
        (ORANGE, BLUE),
        ("before: it claims more than it keeps", "after: bars end at the diagonal"),
        strict=True,
    ):
        bins = [each for each in task[f"bins_{when}"] if each["count"] >= _ENOUGH]
        claimed = [each["confidence"] for each in bins]
        right = [each["accuracy"] for each in bins]
        axes.bar(claimed, right, width=0.045, color=colour, alpha=0.75)
        axes.vlines(claimed, right, claimed, color="#b3261e", lw=2)
        axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
        for each in bins:
            axes.text(
                each["confidence"], 0.02, each["count"], ha="center", fontsize=7, color="white"
            )
        ece, null = task[f"ece_{when}"], task[f"null_ece_{when}"]
        axes.set(xlabel=f"confidence (ECE {ece:.3f}, by chance alone {null:.3f})", title=title)
        axes.set(xlim=(0.25, 1.02), ylim=(0, 1.02))
        _plain(axes)
    figure.axes[0].set_ylabel("share of right answers")
    return figure


def _paren(model: str, shots: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = load("formats")["rows"]
    wanted = (model, "paren", shots)
    return [row for row in rows if (row["model"], row["format"], row["shots"]) == wanted]


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return fmean(float(row[name]) for row in rows)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m documentation.figures", description=__doc__)
    parser.add_argument("--report", type=Path, default=ROOT / "build/demo/report.json")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/figures")
    asked = parser.parse_args()
    report = json.loads(asked.report.read_text("utf-8"))
    # Text stays text, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "docs", "font.size": 9}):
        for name, figure in (
            ("two-uncertainties", two_uncertainties()),
            ("overclaiming", overclaiming()),
            ("diagram", diagram(report)),
        ):
            figure.patch.set_facecolor("white")  # readable on dark pages, too
            figure.savefig(asked.output / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
