"""`trueodds calibrators`: listed, shown, activated, rolled back, deleted."""

import io
import re
from datetime import UTC, datetime

from rich.console import Console
from tests.clients.command.output import NOBODY

from trueodds import Calibrator, Candidate, Method, Prior, Selection
from trueodds.cli.tables import calibrator_table


def test_calibrators_are_listed_with_their_whole_names(command, activated, task):
    first, second = activated(2.0), activated(20.0)
    result = command("calibrators", "list", "aligned", "--task", task)
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if "models/" in line]
    assert len(lines) == 2
    for line, name, temperature in ((lines[0], second, "20.0000"), (lines[1], first, "2.0000")):
        assert name in line
        assert temperature in line
        assert "constant" in line
    assert "●" in lines[0]
    assert "●" not in lines[1]


def test_a_calibrator_is_shown_whole(command, activated, task):
    name = activated(2.0)
    shown = command("calibrators", "show", name).stdout
    lines = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert lines["name"].strip() == name
    assert lines["task"].strip() == task
    assert lines["temperature"].strip() == "2.0000"
    assert lines["active"].strip() == "yes"


def test_all_that_a_calibrator_tells_is_shown():
    calibrator = Calibrator(
        name=NOBODY, model="models/aligned", model_revision="r1", task="reviews", reading="paren",
        options=2, method=Method.TEACHER_POOLED, temperature=None, at_bound=False,
        undetermined=False, teacher="models/base", items=5,
        created=datetime(2026, 11, 5, tzinfo=UTC), active=True, metrics={"kl_before": 0.125},
        versions={"numpy": "2.3.4"}, parameters={"scale": (0.5, 1.5), "bias": (0.0,) * 9},
        fallback="too few items", selection=Selection(
            "nll, 5-fold", "the least",
            (Candidate(Method.KDE, excluded="needs answers"), Candidate(Method.BETA, 0.75, 0.01)),
        ), labelled=3, data_hash="d1", prompts_hash="p1", teacher_revision="t1",
        teacher_reading="letter", prior=Prior(0.25, 0.5, ("models/a/calibrators/1",)),
    )  # fmt: skip
    console = Console(width=200, file=io.StringIO())
    console.print(calibrator_table(calibrator))
    shown = {
        tuple(re.split(r"\s{2,}", line.strip(), maxsplit=1))
        for line in console.file.getvalue().splitlines()
    }
    assert shown >= {
        ("task", "reviews"), ("method", "teacher_pooled"), ("temperature", "–"),
        ("scale", "0.5 1.5"), ("bias", "0 0 0 0 0 0 0 0 … (9)"), ("fallback", "too few items"),
        ("teacher revision", "t1"), ("teacher reading", "letter"),
        ("items", "5, 3 with an answer"), ("chosen by", "nll, 5-fold"),
        ("chosen because", "the least"), ("kde", "needs answers"), ("beta", "0.75 ± 0.01"),
        ("prior", "ln T = 0.2500 ± 0.5000, from 1 calibrators"), ("data", "d1"),
        ("prompts", "p1"), ("kl_before", "0.125"), ("numpy", "2.3.4"),
    }  # fmt: skip


def test_activation_and_rollback(command, activated):
    first, second = activated(2.0, activate=False), activated(3.0, activate=False)
    assert command("calibrators", "activate", first).stdout == f"{first} is active\n"
    assert command("calibrators", "activate", second).stdout == f"{second} is active\n"
    assert command("calibrators", "rollback", second).stdout == f"{first} is active again\n"
    refused = command("calibrators", "rollback", second)
    assert refused.exit_code == 1
    assert refused.stderr == "error: the calibrator is not the active one of its scope\n"
    assert command("calibrators", "rollback", first).stdout == "no calibrator is active now\n"


def test_a_calibrator_is_deleted(command, activated):
    active, other = activated(2.0), activated(3.0, activate=False)
    assert command("calibrators", "delete", other).stdout == f"{other} is deleted\n"
    assert "there is no such calibrator" in command("calibrators", "show", other).stderr
    refused = command("calibrators", "delete", active)
    assert refused.exit_code == 1
    assert "the calibrator is active" in refused.stderr
