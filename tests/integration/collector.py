"""A collector of OpenTelemetry's protocol, as its own stubs have it, that keeps what it gets."""

import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PARENT = "b7ad6b7169203331"
_STAGES = 5
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Received:
    """A span, and the process that has sent it."""

    process: str
    span: Span


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """What has come so far; ``endpoint`` is where it comes."""

    endpoint: str = ""
    received: list[Received] = field(default_factory=list)

    def Export(  # noqa: N802 (the protocol's)
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """A call of the protocol."""
        for each in request.resource_spans:
            told = {one.key: one.value.string_value for one in each.resource.attributes}
            self.received += [
                Received(told["service.instance.id"], span)
                for scope in each.scope_spans
                for span in scope.spans
            ]
        return trace_service_pb2.ExportTraceServiceResponse()

    def trace_of_a_question(self, url: str, model: str, key: str = "") -> list[Received]:
        """The spans of a question over HTTP, with those of its stages and of the replica.

        Its caller's span is ``PARENT``. Processes send their spans every few seconds: what they
        had before comes before these.
        """
        trace = secrets.token_bytes(16)
        question = {"text": "Is it?", "options": [{"text": "yes"}, {"text": "no"}]}
        request = urllib.request.Request(  # noqa: S310
            f"{url}/trueodds.v1.ScoringService/Score",
            json.dumps({"settings": {"model": f"models/{model}"}, "question": question}).encode(),
            {
                "content-type": "application/json",
                "traceparent": f"00-{trace.hex()}-{PARENT}-01",
                **({"authorization": f"Bearer {key}"} if key else {}),
            },
        )
        urllib.request.urlopen(request).close()  # noqa: S310
        ends = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < ends:
            found = [each for each in self.received if each.span.trace_id == trace]
            if len(found) == 1 + _STAGES + 1:
                return found
            time.sleep(0.1)
        raise TimeoutError(f"came: {sorted(each.span.name for each in found)}")


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None)
