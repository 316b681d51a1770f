"""What `trueodds serve` runs: the service until a signal, and its state in plain lines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trueodds_service import config
from trueodds_service.config import Settings
from trueodds_service.errors import ConfigError, ServiceError, StartError
from trueodds_service.serving import environment
from trueodds_service.serving.address import addresses, held_addresses
from trueodds_service.serving.progress import ModelsProgress, States, in_short
from trueodds_service.serving.signals import Signals, end_on_signals
from trueodds_service.serving.systemd import Systemd

if TYPE_CHECKING:
    from trueodds_service.serving.running import Running

_POLL_SECONDS = 1.0


def run(path: Path, *, listen: str | None = None, ray_address: str | None = None) -> int:
    """Serves a configuration until SIGINT or SIGTERM; the exit status.

    Prints a line when it listens, one when every model is ready, and one when a model is lost, is
    back, or has failed. Where all have failed it ends. At SIGUSR1 it reads the configuration again,
    and replaces what runs by it. With ``ray_address`` it runs on that cluster.

    Tells systemd the same, where that has started it.
    """
    signals = Signals()
    signals.take_reload()
    end_on_signals()
    systemd = Systemd.of_environment()
    try:
        settings = config.load(path, listen=listen)
        print("starting …", flush=True)
        systemd.status("starting")
        _refuse_what_cannot_work(settings, ports_and_gpus=ray_address is None)

        def read_again(listens: dict[str, str]) -> Settings:
            settings = config.load(path)
            # A door that is left where it was, is; one that is not named any more is closed.
            stays = {name: listens[name] for name in addresses(settings) if name in listens}
            settings = settings.model_copy(update=stays)
            _refuse_what_cannot_work(settings, ports_and_gpus=False)
            return settings

        with _serving(settings, ray_address) as (running, listens):
            signals.take()
            print(f"listening on {running.address}", flush=True)
            if (http := listens.get("http")) is not None:
                print(f"HTTP on {http}", flush=True)
            try:
                _watch(running, signals, lambda: read_again(listens), systemd)
                print("stopping …", flush=True)
            finally:  # also where it ends by itself: what is under way has its time
                systemd.stopping()
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except SystemExit:  # a signal while it starts
        print("stopping …", flush=True)
    return 0


@contextmanager
def _serving(
    settings: Settings, ray_address: str | None
) -> Iterator[tuple["Running", dict[str, str]]]:
    """The service, and where its doors listen, by the names of the settings."""
    environment.prepare()
    # Ray and vLLM take seconds to import: a wrong configuration should not wait for them.
    if ray_address is not None:
        environment.show_a_token()
        from trueodds_service.serving import cluster  # noqa: PLC0415

        with cluster.serving(settings, ray_address) as running:
            yield running, addresses(settings)
        return
    environment.keep_to_this_machine()
    # Not given up between this and the first gateway, nor when all gateways are replaced.
    with held_addresses(settings) as held:
        from trueodds_service.serving import local  # noqa: PLC0415

        with local.serving(settings.model_copy(update=held)) as running:
            yield running, held


def _watch(
    running: "Running", signals: Signals, read_again: Callable[[], Settings], systemd: Systemd
) -> None:
    """Tells what becomes of the models, until a signal to stop."""
    progress, is_updating = ModelsProgress(), False
    while not signals.stop.is_set():
        states = running.states()
        if running.is_answering:
            systemd.alive()
        _tell(progress, states)
        if signals.reload.is_set():
            signals.reload.clear()
            systemd.reloading()
            try:
                running.update(read_again())
                is_updating = True
                print("updating …", flush=True)
            except ServiceError as error:
                print(f"not updated: {error.message}", flush=True)
        elif is_updating and not running.is_updating:
            is_updating = False
            print("not updated as a whole" if running.update_failed else "updated", flush=True)
        systemd.status(f"{'updating; ' if is_updating else ''}{in_short(states)}")
        if not is_updating:
            systemd.ready()
        signals.stop.wait(_POLL_SECONDS)


def _tell(progress: ModelsProgress, states: States) -> None:
    """Prints what has changed. Raises StartError where no model has come up."""
    is_new = not progress.has_started
    failed = [f"{name}: {cause}" for name, (state, cause) in states.items() if state == "FAILED"]
    if is_new and failed and len(failed) == len(states):
        raise StartError("\n  ".join(["the service did not come up", *failed]))
    for line in progress.lines(states):
        print(line, flush=True)


def serve_config(path: Path) -> int:
    """Prints what `serve deploy` and KubeRay take for a configuration; the exit status."""
    try:
        settings, problems = config.read(path)
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    from trueodds_service.serving import builder  # noqa: PLC0415 (takes seconds to import)

    # The folders may be on the cluster only.
    for problem in problems:
        print(f"warning: on this machine {problem}", file=sys.stderr)
    print(builder.serve_config(settings), end="")
    return 0


def check(path: Path, *, listen: str | None = None, is_running: bool = False) -> int:
    """Prints a line for each thing that a configuration names, right or wrong; the exit status.

    No engine starts, and nothing is created. With ``is_running``, beside the service that has it.
    """
    try:
        settings, problems = config.read(path, listen=listen)
    except ServiceError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    from trueodds_service.serving.checks import look  # noqa: PLC0415 (takes seconds to import)

    for problem in problems:
        print(f"wrong  {problem}")
    wrong = len(problems)
    for finding in look(settings, ports_and_gpus=not is_running):
        wrong += bool(finding.wrong)
        print(f"wrong  {finding}" if finding.wrong else f"ok     {finding}", flush=True)
    print(f"{path}: {wrong or 'nothing'} wrong")
    return 1 if wrong else 0


def _refuse_what_cannot_work(settings: Settings, *, ports_and_gpus: bool) -> None:
    """Raises ConfigError, with everything that is wrong as far as this machine can tell."""
    from trueodds_service.serving.checks import look  # noqa: PLC0415

    found = look(settings, ports_and_gpus=ports_and_gpus)
    if wrong := [str(finding) for finding in found if finding.wrong]:
        raise ConfigError("\n  ".join(wrong))
