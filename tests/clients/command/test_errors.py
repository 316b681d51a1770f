"""How the command ends where the service does not answer, or refuses."""

import signal
import subprocess
import sys

import pytest
from tests.clients.command.output import NOBODY


@pytest.mark.parametrize(
    "args",
    [
        ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"],
        ["calibrators", "list", "aligned"],
    ],
    ids=lambda args: args[0],
)
def test_without_a_server_it_says_where_it_looked(command, args):
    result = command(*args, "--server", "127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no trueodds server answers at 127.0.0.1:1.")
    assert "`trueodds serve`" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["score", "nobody", "-q", "?", "-o", "a", "-o", "b"], "nobody"),
        (["score", "no body", "-q", "?", "-o", "a", "-o", "b"], "model: has to be models/{model}"),
        (["fit", "aligned"], "METHOD_TEACHER_KL is fitted from questions or scores"),
        (["fit", "aligned", "--method", "constant"], "METHOD_CONSTANT is fitted from options"),
        (["calibrators", "list", "nobody"], "nobody"),
        (["calibrators", "show", NOBODY], "there is no such calibrator"),
        (
            ["calibrators", "show", "models/aligned/calibrators/CALIBRATOR"],
            "whose last part is hexadecimal",
        ),
        (["calibrators", "activate", "x"], "no calibrator's id begins with 'x'"),
        (["calibrators", "rollback", NOBODY], "there is no such calibrator"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_the_server_refuses_is_one_line(command, args, said):
    result = command(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_timeout_ends_the_wait(command, stuck):
    service, _ = stuck
    args = ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"]
    result = command(*args, "--timeout", "0.3", "--server", service.app.address)
    assert result.exit_code == 1
    assert "did not answer in time" in result.stderr


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_quiet(stuck):
    service, engine = stuck
    args = ["score", "aligned", "-q", "Tin?", "-o", "yes", "-o", "no"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trueodds", *args, "--server", service.app.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert engine.took.wait(60)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == ("", "")
    assert engine.gave_up.wait(60)
