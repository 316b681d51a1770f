"""What can be known to be wrong before an engine starts: a line for each thing."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from trueodds_service.app import load_tokenizer
from trueodds_service.config import ModelSettings, Settings, Webhook
from trueodds_service.edge import tls
from trueodds_service.edge.tracing import check_installed
from trueodds_service.edge.webhook import read_secret
from trueodds_service.errors import ServiceError
from trueodds_service.hub import hub_name, pin
from trueodds_service.prompts.loading import leave_torch_out
from trueodds_service.revision import check_architecture, check_quantization, check_weights
from trueodds_service.serving.address import addresses, check_address, check_fixed
from trueodds_service.serving.placement import place
from trueodds_service.store import StoreError, probe, without_password

_GPUS = Path("/proc/driver/nvidia/gpus")
# No prompt is made with the tokenizers here.
_ANY_LENGTH = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing that was looked at, and what is wrong with it: "" where nothing is."""

    thing: str
    wrong: str = ""

    def __str__(self) -> str:
        return f"{self.thing}: {self.wrong}" if self.wrong else self.thing


def look(settings: Settings, *, ports_and_gpus: bool = True) -> Iterator[Finding]:
    """Looks at everything that ``settings`` names, and starts nothing.

    At this machine's ports and GPUs only on request: a service that runs already has them, and one
    on other nodes wants others.
    """
    leave_torch_out()
    check_listen = check_address if ports_and_gpus else check_fixed
    for name, address in addresses(settings).items():
        yield _finding(f"{name}: {address}", partial(check_listen, address, name))
    if settings.tls is not None:
        yield _finding(f"certificates: {settings.tls.cert}", partial(tls.read, settings.tls))
    if settings.tracing is not None:
        yield _finding(f"tracing: {settings.tracing.endpoint}", check_installed)
    if settings.alerts is not None and (webhook := settings.alerts.webhook) is not None:
        yield _finding(f"webhook: {_host(webhook)}", partial(read_secret, webhook))
    yield _finding(f"store: {without_password(settings.store)}", lambda: probe(settings.store))
    for model in settings.models:
        yield from _of_model(model)
    if not ports_and_gpus:
        return
    bases = [model for model in settings.models if model.base is None]
    if (gpus := _gpus_here()) is None:
        yield Finding("GPUs: not told by a driver here; Ray counts them when it starts")
    else:
        yield _finding(f"GPUs: {gpus} here", lambda: place(bases, [gpus]))


def _host(webhook: Webhook) -> str:
    """Where it leads, to be shown: the rest of its address may be what lets one in."""
    return urlsplit(webhook.url)._replace(path="", query="", fragment="").geturl()


def _of_model(model: ModelSettings) -> Iterator[Finding]:
    named = f"model {model.name}:"
    if model.adapter is not None:
        yield _finding(f"{named} adapter {model.adapter}", partial(check_weights, model.adapter))
        return
    if (name := hub_name(model.weights)) is not None:
        # Its files may be here only later.
        yield _finding(f"{named} weights {name}", partial(pin, name))
        return
    yield _finding(f"{named} weights {model.weights}", partial(check_weights, model.weights))
    yield _finding(
        f"{named} config {model.weights / 'config.json'}",
        partial(check_architecture, model.weights),
    )
    if model.quantization != "none":
        yield _finding(
            f"{named} quantization {model.quantization}",
            partial(check_quantization, model.weights, model.quantization),
        )
    yield _finding(
        f"{named} tokenizer {model.weights}", partial(load_tokenizer, model.weights, _ANY_LENGTH)
    )


def _finding(thing: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except ServiceError as error:
        # Where the error names the thing itself, once is enough.
        wrong = error.message.removeprefix(f"{thing} ")
        named, _, rest = wrong.partition(": ")
        return Finding(thing, rest if thing.endswith(f" {named}") else wrong)
    except StoreError as error:
        return Finding(thing, str(error))
    return Finding(thing)


def _gpus_here() -> int | None:
    """How many GPUs this process may use, as their driver and the environment tell.

    None where the driver tells nothing: there may be no GPU, or, as in some containers and under
    WSL, only its files may be missing.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible == "":
        return 0
    if not _GPUS.is_dir():
        return None
    here = len([*_GPUS.iterdir()])
    return here if visible is None else min(here, len(visible.split(",")))
