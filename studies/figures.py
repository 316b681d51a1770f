"""The figures of studies/README.md, from the committed results: `python -m studies.figures`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from studies.results import load

FIGURES = Path(__file__).parent / "figures"

BLUE, ORANGE, GREY, GREEN = "#2563a8", "#d9822b", "#8a8f98", "#2e8b57"
NAMES = {
    "temperature": ("temperature, labels", GREY),
    "teacher_kl": ("teacher_kl", ORANGE),
    "agreement_kl": ("agreement_kl", GREEN),
    "teacher_pooled": ("teacher_pooled", BLUE),
    "teacher_pooled, alike": ("teacher_pooled", BLUE),
}


def few_shot() -> Figure:
    """Ranges of T, and held-out ECE, by the number of questions."""
    result = load("few_shot")
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    ranges, errors = figure.subplots(1, 2)
    shown = ("temperature", "teacher_kl", "teacher_pooled, alike")
    for place, method in enumerate(shown):
        label, colour = NAMES[method]
        rows = [row for row in result["rows"] if row["method"] == method]
        sizes = [row["n"] * (1 + 0.07 * (place - 1)) for row in rows]
        middle = [row["temperature"]["median"] for row in rows]
        low = [m - row["temperature"]["low"] for m, row in zip(middle, rows, strict=True)]
        high = [row["temperature"]["high"] - m for m, row in zip(middle, rows, strict=True)]
        style: dict[str, Any] = {"color": colour, "label": label, "marker": "o", "ms": 4}
        ranges.errorbar(sizes, middle, yerr=[low, high], ls="none", capsize=3, **style)
        errors.plot([row["n"] for row in rows], [row["odds_ece"] for row in rows], **style)
    ranges.axhline(result["best_temperature"], color="black", lw=0.8, ls=":")
    ranges.set(ylabel="T: median and 95 % of 1,000 fits", yscale="log")
    ranges.set_yticks([0.05, 0.2, 1, 2.57, 5, 20], ["0.05", "0.2", "1", "2.57", "5", "20"])
    errors.set(ylabel="held-out ECE, against the true odds", yscale="log")
    errors.set_yticks(
        [0.005, 0.01, 0.02, 0.05, 0.1, 0.2], ["0.005", "0.01", "0.02", "0.05", "0.1", "0.2"]
    )
    for axes in (ranges, errors):
        axes.set(xlabel="questions", xscale="log")
        axes.set_xticks([5, 10, 20, 50], ["5", "10", "20", "50"])
        _plain(axes)
    errors.legend(frameon=False)
    return figure


def demo_tasks() -> Figure:
    """The demo's tasks at five questions, and what pooling changes at 5, 10 and 20."""
    result = load("demo_tasks")
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    tasks, gains = figure.subplots(1, 2, width_ratios=[3, 2])
    names = list(result["tasks"])
    five = result["sizes"]["5"]["methods"]
    for method, marker in (("temperature", "s"), ("teacher_kl", "o"), ("teacher_pooled", "D")):
        label, colour = NAMES[method]
        eces = [row["ece"] for row in five[method]["by_task"]]
        tasks.plot(eces, names, marker, color=colour, label=label, ms=6)
    raw = [row["ece"] for row in five["uncalibrated"]["by_task"]]
    tasks.plot(raw, names, "x", color="black", label="uncalibrated")
    floor = [each["null_ece"] for each in result["tasks"].values()]
    tasks.plot(floor, names, "|", color="black", ms=14, label="null ECE")
    tasks.set(xlabel="held-out ECE, mean of 200 draws of 5 questions", xlim=(0, None))
    tasks.invert_yaxis()
    tasks.legend(frameon=False, loc="center", bbox_to_anchor=(0.4, 0.5), fontsize=7.5)
    for place, (measure, label, colour) in enumerate(
        (("ece", "against labels", GREY), ("odds_ece", "against the true odds", BLUE))
    ):
        found = [size["pooled_less"]["teacher_kl"][measure] for size in result["sizes"].values()]
        middle = [1000 * each["mean"] for each in found]
        ends = [[1000 * end for end in each["over_draws"]] for each in found]
        low = [m - end[0] for m, end in zip(middle, ends, strict=True)]
        high = [end[1] - m for m, end in zip(middle, ends, strict=True)]
        at = [row + 0.16 * (place - 0.5) for row in range(len(found))]
        gains.errorbar(middle, at, xerr=[low, high], fmt="o", color=colour, capsize=3, label=label)
    gains.axvline(0, color="black", lw=0.8)
    gains.set_yticks(range(len(result["sizes"])), [f"n = {n}" for n in result["sizes"]])
    gains.set(xlabel="teacher_pooled less teacher_kl:\nECE × 1,000, paired by draw, 95 %")
    gains.invert_yaxis()
    gains.legend(frameon=False, fontsize=8)
    for axes in (tasks, gains):
        _plain(axes)
    return figure


def formats() -> Figure:
    """ECE and format probability by model, format and number of shots."""
    rows = load("formats")["rows"]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    ways = [("paren", 0), ("paren", 5), ("letter", 0), ("letter", 5)]
    labels = ["(A), 0 shots", "(A), 5 shots", "A, 0 shots", "A, 5 shots"]
    for axes, measure, title in zip(
        figure.subplots(1, 2), ("ece", "format_probability"), ("ECE", "p(F | x)"), strict=True
    ):
        for place, (model, colour) in enumerate((("demo-base", BLUE), ("demo-aligned", ORANGE))):
            for row, way in enumerate(ways):
                found = [
                    each[measure]
                    for each in rows
                    if (each["model"], each["format"], each["shots"]) == (model, *way)
                ]
                at = row + 0.2 * (place - 0.5)
                axes.plot([at] * len(found), found, "o", color=colour, alpha=0.35, ms=4)
                name = model if row == 0 else None
                axes.plot(at, sum(found) / len(found), "_", color=colour, ms=16, mew=2, label=name)
        axes.set_xticks(range(len(ways)), labels)
        axes.set(ylabel=f"{title}: seven tasks, and their mean", ylim=(0, None))
        _plain(axes)
        axes.legend(frameon=False)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())


DRAWN: dict[str, Callable[[], Figure]] = {
    "few_shot": few_shot,
    "demo_tasks": demo_tasks,
    "formats": formats,
}


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.figures", description=__doc__)
    parser.add_argument("--output", type=Path, default=FIGURES)
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    # Text stays text, and the same results give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "studies", "font.size": 9}):
        for name, draw in DRAWN.items():
            draw().savefig(output / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
