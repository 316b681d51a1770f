"""The report as one page: figures, and every claim with its interval."""

from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from studies.figures import BLUE, GREEN, GREY, ORANGE
from studies.paper.posthoc import TEACHER
from studies.paper.readings import MMLU, WORLD
from studies.report import real as in_real
from studies.report import world as in_world
from studies.report.claims import FAILS, HOLDS, Claim
from studies.report.paper import FROM, WAYS, Place, cells

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
AS_IT_COMES = "smollm2"
_CLASSES = {HOLDS: "holds", FAILS: "fails"}


def written(
    claims: Sequence[Claim], real: dict[str, Any], world: dict[str, Any], large: dict[str, Any]
) -> str:
    """HTML, with all that it shows inside."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The study</title>",
        f"<style>{_STYLE}</style><h1>The paper's findings, claim by claim</h1>",
        "<p>Effects have 95 % intervals. docs/study.md tells the story.</p>",
        _svg(_models_figure(in_real.PLACE, real, MMLU)),
        "<p>Gemma 3 270M, pre-trained (dotted), seven ways of aligning it, and "
        "SmolLM2-135M-Instruct, plain and in conversations, on 5,700 questions of MMLU.</p>",
        _svg(_models_figure(in_world.PLACE, world, WORLD)),
        "<p>The demo's world: three pre-trained models, seven ways of aligning the middle one "
        f"(dotted), and the demo's aligned model, on {world['questions']} questions of each of "
        "seven tasks; the diamonds are the mean of the tasks, each by itself, and so higher by "
        "what few questions add to any ECE.</p>",
        _svg(_large_figure(large)),
        "<p>Twelve large models on MMLU and HellaSwag: a map of confidence from few answers.</p>",
    ]
    for finding in dict.fromkeys(claim.finding for claim in claims):
        rows = "".join(_row(claim) for claim in claims if claim.finding == finding)
        head = "<tr><th>where</th><th>measure</th><th>effect</th><th>n</th><th></th></tr>"
        parts.append(f"<h2>{escape(finding)}</h2><table>{head}{rows}</table>")
    parts.append(_subjects(real["subjects"]))
    return "\n".join([*parts, "</html>\n"])


def _row(claim: Claim) -> str:
    effect = f"{claim.effect:+.3f} ({claim.ci_low:+.3f} to {claim.ci_high:+.3f})"
    kind = _CLASSES.get(claim.holds, "untold")
    where, measure = escape(claim.where), escape(claim.measure)
    return (
        f"<tr id='{escape(claim.id)}'><td>{where}</td><td>{measure}</td>"
        f"<td class='number'>{effect.replace('-', '−')}</td>"
        f"<td class='number'>{claim.n:,} {claim.unit}</td>"
        f"<td class='{kind}'>{claim.holds}</td></tr>"
    )


def _subjects(rows: Sequence[dict[str, Any]]) -> str:
    """Every subject of the model that is read as it comes, before and after five questions."""
    shown = [row for row in rows if row["model"] == AS_IT_COMES and row["n"] == FROM]
    head = (
        "<tr><th>subject</th><th>way</th><th>ECE, raw</th><th>with a temperature from five "
        "unlabelled questions, 95 % of draws</th><th>T</th></tr>"
    )
    lines = "".join(
        f"<tr><td>{escape(row['subject'])}</td><td>{escape(row['way'])}</td>"
        f"<td class='number'>{row['identity']:.3f}</td>"
        f"<td class='number'>{row['teacher_kl']:.3f} ({_range(row['teacher_kl_draws'], '.3f')})"
        f"</td><td class='number'>{row['teacher_kl_t']['median']:.3g} "
        f"({_range(row['teacher_kl_t'], '.3g')})</td></tr>"
        for row in sorted(shown, key=lambda row: (row["way"], row["subject"]))
    )
    title = f"<h2>{in_real.PLACE.names[AS_IT_COMES]}, each subject by itself</h2>"
    return f"{title}<table>{head}{lines}</table>"


def _range(middle: dict[str, float], written: str) -> str:
    return f"{middle['low']:{written}} to {middle['high']:{written}}"


def _models_figure(place: Place, result: dict[str, Any], task: str) -> Figure:
    """ECE by model, zero-shot and after five shots, and after a temperature from five questions."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    models = [model for model in place.names if model in result["models"]]
    places = range(len(models))
    left = cells(result["posthoc"], FROM)
    for axes, way in zip(figure.subplots(1, 2, sharex=True, sharey=True), WAYS, strict=True):
        rows = {
            row["model"]: row["ece"]
            for row in result["table"]
            if (row["way"], row["task"]) == (way, task)
        }
        found = [rows[model] for model in models]
        middle = [each["mean"] for each in found]
        # Drawn anew, questions show a higher ECE than they do: the end may be beyond the middle.
        ends = [
            [max(0.0, each["mean"] - each["low"]) for each in found],
            [max(0.0, each["high"] - each["mean"]) for each in found],
        ]
        axes.errorbar(middle, places, xerr=ends, fmt="o", color=ORANGE, capsize=3, label="raw")
        after = [left.get((model, way), {}).get(TEACHER, float("nan")) for model in models]
        axes.plot(after, places, "D", color=BLUE, ms=5, label="teacher_kl from five")
        axes.axvline(rows[place.base]["mean"], color="black", lw=0.8, ls=":")
        axes.set(title=way.replace("/", ", ") + " shots", xlabel="ECE", xlim=(0, None))
        axes.set_yticks(places, [place.names[model] for model in models])
        axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
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
    axes.legend(frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(1, 0.95))
    return figure


def _svg(figure: Figure) -> str:
    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "study", "font.size": 9}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("<svg")[2].join(("<svg", ""))
