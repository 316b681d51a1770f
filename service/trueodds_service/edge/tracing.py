"""Traces: spans of requests and of what they ask engines, for a collector of OpenTelemetry's.

A span has names of ours, numbers and a request's id: no prompt, label, task or key, and of a
foreign error nothing. Contexts travel as W3C Trace Context, in gRPC's metadata, HTTP's headers and
the messages to replicas.
"""

import importlib.util
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from trueodds_service.config import TracingSettings
from trueodds_service.edge.arrival import Arrival
from trueodds_service.errors import ConfigError
from trueodds_service.watching import Stage

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_TRACEPARENT = "traceparent"
_OURS = (_TRACEPARENT, "tracestate")
_LIBRARIES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc")
_FLUSH_SECONDS = 2
# Stages are timed by a clock that has no date.
_EPOCH_NS = time.time_ns() - time.perf_counter_ns()


def check_installed() -> None:
    """Raises ConfigError where the libraries of the extra ``tracing`` are missing."""
    for name in _LIBRARIES:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # nor is what it is a part of
            found = None
        if found is None:
            raise ConfigError(
                f"tracing: {name} is not installed: pip install 'trueodds-service[tracing]'"
            )


class Tracing:
    """The spans of a process."""

    def __init__(self, provider: "TracerProvider") -> None:
        # Only where there are traces: it takes a tenth of a second to load.
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        self._trace = trace
        self._context = tracecontext.TraceContextTextMapPropagator()
        self._provider = provider
        self._tracer = provider.get_tracer("trueodds")

    @classmethod
    def of(cls, settings: TracingSettings | None, process: str) -> Self | None:
        """None without settings. Raises ConfigError where the libraries are missing."""
        if settings is None:
            return None
        check_installed()
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider, export, sampling  # noqa: PLC0415

        resource = Resource.create({"service.name": "trueodds", "service.instance.id": process})
        sampler = sampling.ParentBasedTraceIdRatio(settings.share)
        provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        exporter = trace_exporter.OTLPSpanExporter(settings.endpoint, timeout=_FLUSH_SECONDS)
        provider.add_span_processor(export.BatchSpanProcessor(exporter))
        return cls(provider)

    def request(self, arrival: Arrival) -> "RequestSpan":
        """The span of a request, in the trace that its caller names."""
        span = self._tracer.start_span(
            arrival.method,
            self._caller_s(arrival.metadata),
            self._trace.SpanKind.SERVER,
            {"rpc.method": arrival.method, "trueodds.request_id": arrival.request_id},
        )
        return RequestSpan(self, span)

    def stage(self, parent: "Span", stage: Stage, started: float, ended: float) -> None:
        """A stage of a request that has ended, in seconds of ``time.perf_counter``."""
        span = self._tracer.start_span(
            stage.value, self._trace.set_span_in_context(parent), start_time=_ns(started)
        )
        span.end(_ns(ended))

    @contextmanager
    def call(self, model: str, prompts: int, traceparent: str) -> Iterator[None]:
        """What is done inside is a replica's work on a call, in the trace of who asked."""
        span = self._tracer.start_span(
            "replica",
            self._caller_s({_TRACEPARENT: traceparent}),
            self._trace.SpanKind.SERVER,
            {"trueodds.model": model, "trueodds.prompts": prompts},
        )
        try:
            yield
        except Exception as error:
            self.failed(span, type(error).__name__)
            raise
        finally:
            span.end()

    def traceparent(self, span: "Span") -> str:
        """What names a span to others."""
        carrier: dict[str, str] = {}
        self._context.inject(carrier, self._trace.set_span_in_context(span))
        return carrier[_TRACEPARENT]

    def failed(self, span: "Span", why: str) -> None:
        span.set_status(self._trace.StatusCode.ERROR, why)

    def close(self) -> None:
        """Sends what there is; blocks for some moments at most."""
        # A collector that is away would keep it for some seconds a batch.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_FLUSH_SECONDS)

    def _caller_s(self, metadata: Mapping[str, str]) -> "Context":
        # Nothing else of what a caller sends is looked at.
        return self._context.extract({name: metadata.get(name, "") for name in _OURS})


class RequestSpan:
    """One request, from its arrival to its end."""

    def __init__(self, tracing: Tracing, span: "Span") -> None:
        self._tracing, self._span = tracing, span
        self.traceparent = tracing.traceparent(span)

    def passed(self, stage: Stage, started: float, ended: float) -> None:
        self._tracing.stage(self._span, stage, started, ended)

    def ended(self, status: str, reason: str, counts: Mapping[str, int]) -> None:
        """With the status that its caller is told, and counts of its questions."""
        self._span.set_attribute("rpc.response.status_code", status)
        self._span.set_attributes({f"trueodds.{name}": number for name, number in counts.items()})
        if status != "OK":
            self._tracing.failed(self._span, reason)
        self._span.end()


def _ns(seconds: float) -> int:
    return _EPOCH_NS + round(1e9 * seconds)
