"""What is read of a gateway when it is asked: its models, its calibrators and its queues."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

STATES = ("STARTING", "READY", "LOST", "FAILED")


@dataclass(frozen=True, slots=True)
class GatewayState:
    """``models`` are states by name; ``active`` and ``damaged`` are calibrators by model.

    ``alerted`` are scopes by model and test. ``snapshot_seconds`` is how long ago it last knew
    what is active. ``certificate_seconds`` are left, by file.
    """

    models: Mapping[str, str]
    active: Mapping[str, int]
    damaged: Mapping[str, int]
    alerted: Mapping[tuple[str, str], int]
    snapshot_seconds: float
    is_stale: bool
    certificate_seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Load:
    """A model's replicas as a gateway sees them.

    ``under_way`` are prompts that a replica has, ``waiting`` those that wait for one. ``lost`` are
    replicas that ended without notice since the gateway began.
    """

    replicas: int = 0
    under_way: int = 0
    waiting: int = 0
    lost: int = 0


@dataclass(slots=True, eq=False)
class StateCollector(Collector):
    """Asked at each scrape, which costs nothing in between."""

    families: Callable[[], Iterable[Metric]]

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self.families()


def of_state(state: GatewayState) -> Iterable[Metric]:
    """Gauges of the models and their calibrators."""
    models = GaugeMetricFamily(
        "trueodds_model_state", "1 at the state that a model is in.", labels=["model", "state"]
    )
    for model, current in state.models.items():
        for each in STATES:
            models.add_metric([model, each], float(each == current))
    yield models
    yield _by_model(
        "trueodds_calibrators_active",
        "Scopes of a model in which a calibrator answers.",
        {model: state.active.get(model, 0) for model in state.models},
    )
    yield _by_model(
        "trueodds_calibrators_damaged",
        "Scopes of a model that are not served: what is stored for them cannot be read.",
        {model: state.damaged.get(model, 0) for model in state.models},
    )
    alerted = GaugeMetricFamily(
        "trueodds_calibrators_alerted",
        "Scopes of a model whose active calibrator has an alert, by the test that found it.",
        labels=["model", "test"],
    )
    for (model, test), scopes in state.alerted.items():
        alerted.add_metric([model, test], scopes)
    yield alerted
    yield GaugeMetricFamily(
        "trueodds_snapshot_age_seconds",
        "How long ago the gateway last knew which calibrators are active.",
        value=state.snapshot_seconds,
    )
    yield GaugeMetricFamily(
        "trueodds_snapshot_stale",
        "1 while answers are marked stale, for the store does not answer.",
        value=float(state.is_stale),
    )
    certificates = GaugeMetricFamily(
        "trueodds_certificate_remaining_seconds",
        "How long what the doors show is valid still, by the file; negative since it has expired.",
        labels=["file"],
    )
    for file, seconds in state.certificate_seconds.items():
        certificates.add_metric([file], seconds)
    yield certificates


def of_loads(loads: Mapping[str, Load]) -> Iterable[Metric]:
    """Gauges of the replicas, by model."""
    yield _by_model(
        "trueodds_replicas_connected",
        "Replicas of a model that the gateway has a connection to.",
        {model: load.replicas for model, load in loads.items()},
    )
    yield _by_model(
        "trueodds_prompts_under_way",
        "Prompts that the gateway has given to replicas.",
        {model: load.under_way for model, load in loads.items()},
    )
    yield _by_model(
        "trueodds_prompts_waiting",
        "Prompts in the gateway that wait for a replica.",
        {model: load.waiting for model, load in loads.items()},
    )
    lost = CounterMetricFamily(
        "trueodds_replicas_lost_total",
        "Replicas that were gone without a word: killed, dead of a prompt, or with their node.",
        labels=["model"],
    )
    for model, load in loads.items():
        lost.add_metric([model], load.lost)
    yield lost


def _by_model(name: str, text: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["model"])
    for model, value in values.items():
        family.add_metric([model], value)
    return family
