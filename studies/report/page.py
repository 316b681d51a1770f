"""The report as one page: figures, and every claim with its interval."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from itertools import groupby
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from studies.figures import BLUE, GREEN, GREY, ORANGE
from studies.report.claims import FAILS, HOLDS, Claim

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2329; background: #fff }
table { border-collapse: collapse; width: 100%; font-size: 14px }
td, th { border-bottom: 1px solid #d8dde3; padding: .3rem .6rem; text-align: left;
  vertical-align: top }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums }
.holds { color: #1b6b40 } .fails { color: #a3302a } .untold { color: #5b6470 }
svg { max-width: 100%; height: auto }
"""
_CLASSES = {HOLDS: "holds", FAILS: "fails"}


def written(claims: Sequence[Claim], real: dict[str, Any], large: dict[str, Any]) -> str:
    """HTML, with all that it shows inside."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The study</title>",
        f"<style>{_STYLE}</style><h1>The paper's findings, claim by claim</h1>",
        "<p>Effects have 95 % intervals. docs/study.md tells the story.</p>",
        _svg(_real_figure(real)),
        "<p>Gemma 3 270M, pre-trained, and SmolLM2-135M-Instruct, plain and in conversations, "
        "on 5,700 questions of MMLU.</p>",
        _svg(_large_figure(large)),
        "<p>Twelve large models on MMLU and HellaSwag: a map of confidence from few answers.</p>",
    ]
    for finding, own in groupby(claims, key=lambda claim: claim.finding):
        rows = "".join(map(_row, own))
        head = "<tr><th>where</th><th>measure</th><th>effect</th><th>n</th><th></th></tr>"
        parts.append(f"<h2>{escape(finding)}</h2><table>{head}{rows}</table>")
    return "\n".join([*parts, "</html>\n"])


def _row(claim: Claim) -> str:
    effect = (
        f"{claim.effect:+.3f} ({claim.ci_low:+.3f} to {claim.ci_high:+.3f})".replace("-", "−")
        if claim.effect is not None
        else ""
    )
    amount = f"{claim.n:,} {claim.unit}" if claim.n else ""
    kind = _CLASSES.get(claim.holds, "untold")
    where, measure = escape(claim.where), escape(claim.measure)
    return (
        f"<tr id='{escape(claim.id)}'><td>{where}</td><td>{measure}</td>"
        f"<td class='number'>{effect}</td><td class='number'>{amount}</td>"
        f"<td class='{kind}'>{claim.holds}</td></tr>"
    )


def _real_figure(real: dict[str, Any]) -> Figure:
    """ECE by model and way, and after a temperature from five unlabelled questions."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    ways = ("letter/0", "letter/5", "paren/0", "paren/5")
    shown = (("gemma", BLUE), ("smollm2", ORANGE), ("smollm2+chat", GREEN))
    for place, (model, colour) in enumerate(shown):
        rows = {r["way"]: r["ece"] for r in real["table"] if r["model"] == model}
        at = [way + 0.2 * (place - 1) for way in range(len(ways))]
        middle = [rows[way]["mean"] for way in ways]
        ends = [
            [m - rows[w]["low"] for m, w in zip(middle, ways, strict=True)],
            [rows[w]["high"] - m for m, w in zip(middle, ways, strict=True)],
        ]
        axes.errorbar(at, middle, yerr=ends, fmt="o", color=colour, capsize=3, label=model)
        after = {
            r["way"]: r["ece"]
            for r in real["posthoc"]
            if (r["model"], r["n"], r["method"]) == (model, 5, "teacher_kl")
        }
        if after:
            label = "with teacher_kl from 5" if place == 1 else None
            axes.plot(at, [after[way] for way in ways], "_", color="black", ms=14, label=label)
    axes.set_xticks(range(len(ways)), [way.replace("/", ", ") + " shots" for way in ways])
    axes.set(ylabel="ECE", ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _large_figure(large: dict[str, Any]) -> Figure:
    """Brier score and ECE by method and number of answers."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    rows = large["few"]["summary"]
    colours = {"raw": "black", "share right": GREY, "beta": BLUE, "isotonic": GREEN}
    colours |= {"scaling_binning": ORANGE, "kde": "#a3302a"}
    for axes, measure in zip(figure.subplots(1, 2), ("brier", "ece"), strict=True):
        for name, colour in colours.items():
            own = [row for row in rows if row["method"] == name]
            sizes = [row["n"] for row in own]
            axes.plot(sizes, [r[measure] for r in own], "o-", color=colour, label=name, ms=4)
        axes.set(xscale="log", xlabel="answers", ylabel=measure.replace("brier", "Brier score"))
        axes.set_xticks([20, 50, 200, 1000], ["20", "50", "200", "1,000"])
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _svg(figure: Figure) -> str:
    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "study", "font.size": 9}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("<svg")[2].join(("<svg", ""))
