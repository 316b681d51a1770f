"""`trueodds drift`: whether a calibrator still holds."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from trueodds._channel import FIT_TIMEOUT
from trueodds.cli.console import CALIBRATOR, Shots, Wait, connected, extras, out, progress_bar
from trueodds.cli.files import FileOptions, check_stdin, examples, file_options
from trueodds.cli.options import reading_options
from trueodds.cli.server import Target, asks_server
from trueodds.cli.tables import estimate_text
from trueodds.drift import Drift, Period, Promise, Proposal, TeacherCheck
from trueodds.reading import Format, Reading

SAID = {
    Promise.TOO_HIGH: "confidences are too high",
    Promise.TOO_LOW: "confidences are too low",
    Promise.MISCALIBRATED: "confidences are wrong somewhere",
    Promise.WORSE_THAN_RAW: "raw probabilities are better",
    Promise.SHIFTED: "confidences are others than at first",
    Promise.DISAGREES: "the teacher disagrees otherwise than at the fit",
}
_METRICS = ("accuracy", "confidence", "ece", "null_ece", "brier", "nll")


@asks_server
@file_options(dry_run=False)
@reading_options
def drift(
    calibrator: Annotated[str | None, CALIBRATOR] = None,
    model: Annotated[
        str, typer.Option(help="Without a calibrator: the model whose active one it is.")
    ] = "",
    task: Annotated[str, typer.Option(help="And its task; the model's default without.")] = "",
    window: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many of the newest outcomes; 1000.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help="Fresh questions for its model and teacher; - for stdin."),
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Fit a calibrator on them, too; it is kept.")
    ] = False,
    shots: Shots = None,
    teacher: Annotated[
        str | None, typer.Option(help="The pre-trained model, where the fit had none.")
    ] = None,
    teacher_shots: Annotated[
        Path | None, typer.Option(help="What the teacher is shown instead of --shots.")
    ] = None,
    teacher_format: Annotated[
        Format | None, typer.Option(help="How the teacher answers; as the model when left out.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that the questions may take.")
    ] = FIT_TIMEOUT,
    wait: Wait = 0.0,
    *,
    server: Target,
    reading: Reading,
    files: FileOptions,
) -> None:
    """Show whether a calibrator keeps its promise, by the outcomes of its answers.

    The exit status is 1 where a promise is broken. Look as often as you like: while all is well, an
    alarm ever comes with a probability of at most alpha.

    With --questions, which need no answers, the model and its teacher are asked as at the fit, and
    whether they disagree as often is told: a reason to look, which the exit status does not tell.

    Example: trueodds drift models/demo-aligned/calibrators/0f3a

    Example: trueodds drift --model models/demo-aligned --task reviews

    Example: trueodds drift models/demo-aligned/calibrators/0f3a --questions fresh.jsonl --propose
    """
    if questions is None and (propose or shots or teacher or teacher_shots or teacher_format):
        raise typer.BadParameter("takes --questions", param_hint="--propose, --shots, --teacher …")
    check_stdin(questions, shots)
    with extras("bulk"), connected(server, wait=wait) as client, ExitStack() as stack:
        found = client.drift(calibrator or "", model=model, task=task, window=window)
        if questions is not None:
            opened = files.open(questions, stack, answers=False)
            with progress_bar("asking") as progress:
                check = client.check(
                    found.calibrator.name,
                    examples(opened),
                    reading=reading,
                    shots=files.shots(shots, stack, opened.columns),
                    teacher=teacher,
                    teacher_shots=files.shots(teacher_shots, stack, opened.columns),
                    teacher_reading=teacher_format and replace(reading, format=teacher_format),
                    propose=propose,
                    progress=progress,
                    timeout=timeout,
                )
            found = client.drift(found.calibrator.name, window=window)
            out.print(_check(check), soft_wrap=True)
    if found.since_first is not None and found.window is not None:
        out.print(_metrics(found.since_first, found.window))
    out.print(_tests(found))
    if found.alarms:
        raise typer.Exit(1)


def _metrics(since_first: Period, window: Period) -> Table:
    table = Table(
        "metric", f"the newest {window.outcomes}", "raw", f"all {since_first.outcomes}", "raw"
    )
    told = (window.after, window.before, since_first.after, since_first.before)
    for name in _METRICS:
        table.add_row(name, *(estimate_text(each.metrics.get(name), 3) for each in told))
    return table


def _tests(found: Drift) -> Table:
    alphas = {each.alpha for each in found.tests}
    title = f"{found.outcomes} outcomes, {found.unknown} unknown; alpha {min(alphas, default=0):g}"
    table = Table("evidence that", "towards an alarm", "alarm", title=title)
    for each in found.tests:
        table.add_row(
            SAID[each.promise],
            f"{each.share_of_alarm:.0%}",
            f"after {each.alarm_at}" if each.alarm else "no",
        )
    return table


def proposal_text(proposal: Proposal) -> str:
    """What is proposed, in a line."""
    if proposal.calibrator is None:
        return f"no proposal{' yet' if proposal.waiting else ''}: {proposal.note}"
    if not proposal.differences:
        return f"{proposal.calibrator} is proposed; {proposal.note}"
    brier = estimate_text(proposal.differences.get("brier"), 4)
    done = ", activated" if proposal.activated else ""
    return (
        f"{proposal.calibrator} is proposed{done}; its Brier score less the present one's, on "
        f"{proposal.held_out} outcomes that neither was fitted on: {brier}"
    )


def _check(check: TeacherCheck) -> str:
    """What a check has found, in a line or two."""
    said = f"{check.teacher} disagrees on {check.disagreeing} of {check.questions} questions"
    if check.p_value is None:
        said += "; of the fit's nobody knows"
    else:
        said += f"; of the fit's, on {check.fit_disagreeing} of {check.fit_questions}: "
        said += f"p = {check.p_value:.2g} by themselves"
    return said if check.proposal is None else f"{said}\n{proposal_text(check.proposal)}"
