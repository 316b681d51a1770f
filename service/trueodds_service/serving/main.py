"""What `trueodds serve` runs: the service until a signal, and its state in plain lines."""

import sys
import threading
from pathlib import Path

from trueodds_service import config
from trueodds_service.config import Settings
from trueodds_service.errors import ConfigError, ServiceError, StartError
from trueodds_service.prompts.loading import leave_torch_out
from trueodds_service.serving import environment
from trueodds_service.serving.address import held_address
from trueodds_service.serving.progress import Progress, States
from trueodds_service.serving.signals import end_on_signals, stop_on_signals

_POLL_SECONDS = 1.0


def run(path: Path, *, listen: str | None = None) -> int:
    """Serves a configuration until SIGINT or SIGTERM; the exit status.

    Prints a line when it listens, one when every model is ready, and one when a model is lost, is
    back, or has failed. Where all have failed it ends.
    """
    stop = threading.Event()
    end_on_signals()
    try:
        settings = config.load(path, listen=listen)
        print("starting …", flush=True)
        _refuse_what_cannot_work(settings)
        # Not given up between this and the first gateway, nor when all gateways are replaced.
        with held_address(settings.listen) as address:
            _serve(settings.model_copy(update={"listen": address}), stop)
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except SystemExit:  # a signal while it starts, by our handler or by Ray's
        print("stopping …", flush=True)
    return 0


def _serve(settings: Settings, stop: threading.Event) -> None:
    environment.prepare()
    # Ray and vLLM take seconds to import: a wrong configuration should not wait for them.
    from trueodds_service.serving import local  # noqa: PLC0415

    with local.serving(settings) as running:
        # Ray has put its own handlers in place, which end the process at once.
        stop_on_signals(stop)
        print(f"listening on {running.address}", flush=True)
        progress = Progress()
        while not stop.is_set():
            _tell(progress, running.states())
            stop.wait(_POLL_SECONDS)
        print("stopping …", flush=True)


def _tell(progress: Progress, states: States) -> None:
    """Prints what has changed. Raises StartError where no model has come up."""
    is_new = not progress.has_started
    failed = [f"{name}: {cause}" for name, (state, cause) in states.items() if state == "FAILED"]
    if is_new and failed and len(failed) == len(states):
        raise StartError("\n  ".join(["the service did not come up", *failed]))
    for line in progress.lines(states):
        print(line, flush=True)


def check(path: Path, *, listen: str | None = None) -> int:
    """Prints a line for each thing that a configuration names, right or wrong; the exit status.

    No engine starts, and nothing is created.
    """
    try:
        settings, problems = config.read(path, listen=listen)
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    from trueodds_service.serving.checks import look  # noqa: PLC0415 (takes seconds to import)

    leave_torch_out()
    for problem in problems:
        print(f"wrong  {problem}")
    wrong = len(problems)
    for finding in look(settings):
        wrong += bool(finding.wrong)
        print(f"wrong  {finding}" if finding.wrong else f"ok     {finding}", flush=True)
    print(f"{path}: {wrong or 'nothing'} wrong")
    return 1 if wrong else 0


def _refuse_what_cannot_work(settings: Settings) -> None:
    """Raises ConfigError, with everything that is wrong."""
    from trueodds_service.serving.checks import look  # noqa: PLC0415

    leave_torch_out()
    if wrong := [str(finding) for finding in look(settings) if finding.wrong]:
        raise ConfigError("\n  ".join(wrong))
