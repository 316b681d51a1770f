"""A channel whose calls are spans of the caller's traces, for who has OpenTelemetry loaded."""

import sys
from typing import Any

from trueodds._transport.wrapped import WrappedChannel


def traced(channel: Any) -> Any:
    """The channel, and with OpenTelemetry one whose calls name their trace to the server.

    What the process has not loaded can have no trace; it is not loaded for its own sake.
    """
    return WrappedChannel(channel, _Traced) if "opentelemetry.trace" in sys.modules else channel


class _Traced:
    def __init__(self, name: str, method: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415 (see above)
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        self._trace = trace
        self._context = tracecontext.TraceContextTextMapPropagator()
        self._name = name.removeprefix("/")
        self._method = method

    def __call__(self, request: Any, **options: Any) -> Any:
        return self._begun(self._method, request, options)

    def future(self, request: Any, **options: Any) -> Any:
        return self._begun(self._method.future, request, options)

    def _begun(self, begin: Any, request: Any, options: dict[str, Any]) -> Any:
        kind = self._trace.SpanKind.CLIENT
        span = self._trace.get_tracer("trueodds").start_span(self._name, kind=kind)
        named: dict[str, str] = {}
        self._context.inject(named, self._trace.set_span_in_context(span))
        metadata = (*options.pop("metadata", ()), *named.items())
        try:
            call = begin(request, metadata=metadata, **options)
        except Exception as error:
            # A failed call's status in gRPC; nothing of its words.
            status = getattr(error, "code", lambda: None)()
            span.set_status(self._trace.StatusCode.ERROR, getattr(status, "name", None))
            span.end()
            raise
        if hasattr(call, "add_done_callback"):
            call.add_done_callback(lambda _: span.end())
        else:
            span.end()
        return call
