"""What a replica tells of its engine."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from trueodds_service.edge.metrics.state import StateCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class EngineState:
    """A replica now: its prompts, seconds since its engine was last seen to end a step, and the
    memory of its processes. And since it began: prompt tokens, those of them found in the cache,
    and failed prompts.
    """

    under_way: int
    step_age_seconds: float
    resident_bytes: int
    prompts: int
    prompt_tokens: int
    cached_tokens: int
    faults: int


class ReplicaMetrics:
    """The time of calls, and all that is read at each scrape."""

    def __init__(
        self, registry: CollectorRegistry, model: str, state: Callable[[], EngineState]
    ) -> None:
        self._model = model
        self.seconds = Histogram(
            "trueodds_engine_call_seconds",
            "What a call of a gateway took in the replica, its wait for the engine included.",
            ["model"],
            buckets=_BUCKETS,
            registry=registry,
        ).labels(model)
        registry.register(StateCollector(lambda: self._families(state())))

    def _families(self, state: EngineState) -> Iterable[Metric]:
        yield self._gauge(
            "trueodds_engine_prompts_under_way",
            "Prompts in the replica, those that wait for the engine included.",
            state.under_way,
        )
        yield self._gauge(
            "trueodds_engine_step_age_seconds",
            "How long ago the engine was last seen to end a step; it is asked every 5 seconds.",
            state.step_age_seconds,
        )
        yield self._gauge(
            "trueodds_engine_resident_bytes",
            "Memory of the replica and of the processes of its engine, what they share twice.",
            state.resident_bytes,
        )
        yield self._counter(
            "trueodds_engine_prompts_total",
            "Prompts that the engine was asked, those of fits and of other orders included.",
            state.prompts,
        )
        yield self._counter(
            "trueodds_engine_prompt_tokens_total",
            "Tokens of the requests that the engine has ended, cached ones included.",
            state.prompt_tokens,
        )
        yield self._counter(
            "trueodds_engine_cached_tokens_total",
            "Of these, the tokens that were in the engine's prefix cache.",
            state.cached_tokens,
        )
        yield self._counter(
            "trueodds_engine_faults_total",
            "Prompts that the engine failed at, and lived on.",
            state.faults,
        )

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["model"])
        family.add_metric([self._model], value)
        return family

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(name, text, labels=["model"])
        family.add_metric([self._model], value)
        return family
