"""`trueodds evaluate`: what a calibrator does, in numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from trueodds._channel import FIT_TIMEOUT
from trueodds.cli.console import CalibratorName, ProbabilityStep, Shots, Wait, out, say
from trueodds.cli.files import FileOptions, file_options
from trueodds.cli.measuring import QUESTIONS, Miscoverages, TargetRisks, Timeout, measured
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.tables import estimate_text
from trueodds.evaluation import CascadeReport, Report
from trueodds.reading import Reading
from trueodds.report.text import upwards


@asks_server
@file_options()
@reading_options
def evaluate(
    calibrator: CalibratorName,
    questions: Annotated[Path, QUESTIONS],
    target_risk: TargetRisks = None,
    miscoverage: Miscoverages = None,
    shots: Shots = None,
    probability_step: ProbabilityStep = 0.0,
    json: Annotated[bool, typer.Option("--json", help="The whole report, for programs.")] = False,
    timeout: Timeout = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
    files: FileOptions,
) -> None:
    """Measure a calibrator on questions with answers, those of the fit excepted.

    Tells every metric before and after with its 95 % interval, and the thresholds for
    --min-confidence and --answer-set of `trueodds score`. `trueodds report` draws the same.
    Instead of questions there may be rows of scores: `trueodds calibrate --help` shows them.

    Example: trueodds evaluate models/demo-aligned/calibrators/0f3a labelled.jsonl
    """
    report = measured(
        calibrator,
        questions,
        shots,
        files,
        server,
        timeout=timeout,
        wait=wait,
        reading=reading,
        target_risks=target_risk or (),
        miscoverages=miscoverage or (),
        probability_step=probability_step,
    )
    if report is None:
        return
    if json:
        typer.echo(report.to_json())
        return
    if report.cascade is not None:
        out.print(_cascade(report.cascade))
        say("before is the last model alone")
    for table in (_metrics(report), _abstentions(report), _answer_sets(report)):
        if table.row_count:
            out.print(table)
    if report.in_sample:
        say("these are the items of the fit: the numbers flatter")


def _cascade(cascade: CascadeReport) -> Table:
    cost = ""
    if cascade.relative_cost is not None:
        cost = f"costs {estimate_text(cascade.relative_cost, 3)} of the last alone"
    table = Table(
        "model", "asked", "answers", "wrong", "prompt tokens", "cached", "cost", title=cost
    )
    alone = replace(cascade.last_alone, model=f"{cascade.last_alone.model} alone")
    for part in (*cascade.parts, alone):
        table.add_row(
            part.model,
            str(part.asked),
            str(part.answered),
            estimate_text(part.risk, 4),
            f"{part.prompt_tokens:,}",
            f"{part.cached_tokens:,}",
            f"{part.cost:,.6g}",
        )
    return table


def _metrics(report: Report) -> Table:
    table = Table("metric", "before", "after", "difference", title=f"{report.items} questions")
    for name in sorted(report.before.metrics.keys() | report.after.metrics.keys()):
        told = (report.before.metrics, report.after.metrics, report.differences)
        table.add_row(name, *(estimate_text(metrics.get(name), 4) for metrics in told))
    return table


def _abstentions(report: Report) -> Table:
    table = Table("risk at most", "--min-confidence", "answered", "risk", "95 % bound")
    for rule in report.abstentions:
        found = rule.min_confidence is not None
        table.add_row(
            f"{rule.target_risk:g}",
            "none keeps it" if rule.min_confidence is None else upwards(rule.min_confidence),
            f"{rule.coverage:.1%}" if found else "–",
            f"{rule.risk:.1%}" if found else "–",
            f"{rule.risk_upper_bound:.1%}" if found else "–",
        )
    return table


def _answer_sets(report: Report) -> Table:
    table = Table("misses at most", "--answer-set", "hold the right one", "options", "of one")
    for each in report.answer_sets:
        table.add_row(
            f"{each.miscoverage:g}",
            f"{each.rule.method.value} {upwards(each.rule.threshold)}",
            f"{each.coverage:.1%}",
            f"{each.mean_size:.2f}",
            f"{each.singletons:.1%}",
        )
    return table
