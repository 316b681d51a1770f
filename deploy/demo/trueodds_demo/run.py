"""`trueodds demo`: serve the demo pair, calibrate it from 35 unlabelled questions, and look."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from trueodds import Answer, Calibrator, Client, Method, TrueoddsError
from trueodds_demo import world
from trueodds_demo.measure import task_result
from trueodds_demo.questions import (
    FIT_QUESTIONS,
    fit_questions,
    scored_examples,
    scored_questions,
    shots,
)
from trueodds_demo.report import Report, TaskResult, hero_svg, render
from trueodds_demo.service import ALIGNED, BASE, ServiceError, demo_config, running

console = Console(highlight=False)


def run(output: Path, questions: int) -> int:
    """The whole demo; the exit status. Writes report.html, report.json and reliability.svg."""
    started = time.monotonic()
    console.rule("[bold]trueodds demo")
    console.print(
        "A small language model was pre-trained on an invented world whose true odds are "
        "known, and then aligned, as chat models are: towards the answers that people prefer. "
        "It still knows what it knew, but no longer how sure to be. Watch it being repaired.\n"
    )
    try:
        with running(demo_config(output / "service")) as address, Client(address) as client:
            with console.status("starting vLLM with both models …"):
                models = {model.name: model for model in client.wait_until_ready()}
            ready = time.monotonic()
            console.print(f"[green]✓[/] serving on {address} ({ready - started:.0f} s)")
            calibrators = fit(client)
            console.print(f"[green]✓[/] {len(calibrators)} temperatures fitted and activated")
            results = score(client, calibrators, questions)
            scored = time.monotonic()
    except (ServiceError, TrueoddsError) as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    engine = models[f"models/{ALIGNED}"]
    total = 2 * questions * len(results)
    report = Report(
        n_per_task=questions,
        seconds=time.monotonic() - started,
        tasks=tuple(results),
        aligned_model=ALIGNED,
        teacher_model=BASE,
        engine=f"{engine.engine}, {engine.dtype}",
        questions_per_second=total / (scored - ready),
        total_questions=total,
        fit_questions=FIT_QUESTIONS,
    )
    console.print("[green]✓[/] service stopped\n")
    console.print(_table(report))
    console.print(_verdict(report))
    for name, content in (
        ("report.html", render(report)),
        ("report.json", report.to_json()),
        ("reliability.svg", hero_svg(report)),
    ):
        (output / name).write_text(content, encoding="utf-8")
    console.print(f"\nThe picture: [bold]{output / 'report.html'}[/]")
    return 0


def fit(client: Client) -> dict[str, Calibrator]:
    """One temperature a task, from unlabelled questions, activated."""
    calibrators = {}
    with console.status("fitting …") as status:
        for task in world.TASKS:
            status.update(f"fitting one temperature for {task}: 5 questions, no answers …")
            calibrators[task] = client.fit(
                fit_questions(task),
                model=ALIGNED,
                task=task,
                method=Method.TEACHER_KL,
                shots=shots(task),
                activate=True,
            )
    return calibrators


def score(client: Client, calibrators: dict[str, Calibrator], questions: int) -> list[TaskResult]:
    """Each task scored once by both models; the aligned one's answers hold before and after."""
    results = []
    with Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task("", total=2 * questions * len(world.TASKS))
        for task in world.TASKS:
            asked = scored_questions(task, questions)
            answers = {}
            for model in (ALIGNED, BASE):
                progress.update(bar, description=f"{task}: {model}")
                outcomes = client.score_batch(
                    asked,
                    model=model,
                    task=task,
                    shots=shots(task),
                    progress=partial(_advance, progress, bar, progress.tasks[0].completed),
                )
                answers[model] = _answers(outcomes)
            results.append(
                task_result(
                    task,
                    scored_examples(task, questions),
                    answers[ALIGNED],
                    answers[BASE],
                    calibrators[task],
                )
            )
    return results


def _advance(progress: Progress, bar: TaskID, before: float, done: int, _: int) -> None:
    progress.update(bar, completed=before + done)


def _answers(outcomes: Sequence[Answer | TrueoddsError]) -> list[Answer]:
    answers = []
    for outcome in outcomes:
        if isinstance(outcome, TrueoddsError):
            raise outcome
        answers.append(outcome)
    return answers


def _table(report: Report) -> Table:
    table = Table(
        "task",
        title=f"{report.n_per_task:,} held-out questions a task, before → after",
        caption="floor: the ECE that a perfectly calibrated model would show at this n",
        title_justify="left",
        caption_justify="left",
    )
    for name in ("accuracy", "confidence", "ECE", "floor", "T"):
        table.add_column(name, justify="right", no_wrap=True)
    for task in report.tasks:
        table.add_row(
            task.task,
            f"{task.accuracy_before:.1%} → {task.accuracy_after:.1%}",
            f"{task.confidence_before:.1%} → {task.confidence_after:.1%}",
            f"{task.ece_before:.3f} → [bold]{task.ece_after:.3f}[/]",
            f"{task.null_ece_after:.3f}",
            f"{task.temperature:.2f}",
        )
    return table


def _verdict(report: Report) -> str:
    def mean(name: str) -> float:
        return float(np.mean([getattr(task, name) for task in report.tasks]))

    kept = all(task.accuracy_before == task.accuracy_after for task in report.tasks)
    return (
        f"The aligned model claimed [bold]{mean('confidence_before'):.0%}[/] and was right "
        f"[bold]{mean('accuracy_before'):.0%}[/] of the time. Five unlabelled questions a task "
        f"took its mean ECE from [bold]{mean('ece_before'):.3f}[/] to "
        f"[bold]{mean('ece_after'):.3f}[/]; its accuracy {'stayed the same' if kept else 'moved'}."
    )
