"""Traces: a request's spans, in its caller's trace, and nothing of what was asked in them."""

import asyncio
import socket
import threading

import httpx
import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from trueodds import AsyncClient, Client, Question, TrueoddsError
from trueodds_service.config import TracingSettings
from trueodds_service.edge import tracing as tracing_module
from trueodds_service.edge.tracing import Tracing, check_installed
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.link import messages
from trueodds_service.errors import ConfigError
from trueodds_service.watching import Watcher, watched_by

SECRET = "heliotrope"  # noqa: S105 (of nobody)
ASKED = Question(f"Is {SECRET} a colour?", ("yes", "no"))
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider)


@pytest.fixture
def traced(start_service, tracing):
    return start_service(tracing=tracing, http="127.0.0.1:0", decisions={"min_option_mass": 0})


def by_name(exporter):
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_and_its_stages_are_in_its_caller_s_trace(traced, exporter):
    question = {"text": SECRET, "options": [{"text": "a"}, {"text": "b"}]}
    answer = httpx.post(
        f"{traced.url}/trueodds.v1.ScoringService/BatchScore",
        json={"settings": {"model": "models/aligned"}, "questions": [question]},
        headers={"traceparent": TRACEPARENT, "x-request-id": "mine.1"},
    )
    assert answer.status_code == httpx.codes.OK
    spans = by_name(exporter)
    whole = spans["trueodds.v1.ScoringService/BatchScore"]
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert f"{whole.parent.span_id:016x}" == PARENT
    assert whole.attributes["trueodds.request_id"] == "mine.1"
    assert whole.attributes["rpc.response.status_code"] == "OK"
    for stage in ("admission", "tokenize", "engine", "calibrate"):
        assert spans[stage].parent.span_id == whole.context.span_id
        assert whole.start_time <= spans[stage].start_time <= spans[stage].end_time
        assert spans[stage].end_time <= whole.end_time


def test_of_a_failed_request_the_reason_is_told_and_nothing_that_was_asked(traced, exporter):
    with Client(traced.app.address) as client, pytest.raises(TrueoddsError):
        client.score(ASKED, model="aligned", task=f"{SECRET}\n")
    with Client(traced.app.address) as client:
        client.score(ASKED, model="aligned", task=f"task-{SECRET}")
    spans = exporter.get_finished_spans()
    failed = [span for span in spans if not span.status.is_ok]
    assert [span.status.description for span in failed if span.status.description]
    assert SECRET not in "".join(span.to_json() for span in spans)


@pytest.mark.parametrize("said", ["", "nonsense", "00-0-0-01", f"00-{TRACE}-{PARENT}-01" * 50])
def test_what_is_no_trace_context_begins_a_trace(traced, exporter, said):
    url = f"{traced.url}/trueodds.v1.ModelService/ListModels"
    answer = httpx.post(url, json={}, headers={"traceparent": said})
    assert answer.status_code == httpx.codes.OK
    [span] = [span for span in exporter.get_finished_spans() if "ListModels" in span.name]
    assert span.parent is None


def test_a_call_of_the_client_is_a_span_that_the_service_s_is_below(
    traced, exporter, tracing, monkeypatch
):
    monkeypatch.setattr(trace, "get_tracer", lambda _: tracing._tracer)
    with Client(traced.app.address) as client:
        client.score(ASKED, model="aligned")

    async def ask():
        async with AsyncClient(traced.app.address) as client:
            await client.score(ASKED, model="aligned")

    asyncio.run(ask())
    spans = [
        span
        for span in exporter.get_finished_spans()
        if span.name == "trueodds.v1.ScoringService/Score"
    ]
    callers = {s.context.span_id: s for s in spans if s.kind is trace.SpanKind.CLIENT}
    served = [span for span in spans if span.kind is trace.SpanKind.SERVER]
    assert len(callers) == len(served) == 2
    assert {span.parent.span_id for span in served} == {*callers}


def test_a_replica_s_work_is_in_the_trace_of_who_asked(exporter, tracing):
    prompt = TokenPrompt((1, 2), ((3,), (4,)))
    with watched_by(Watcher("a-request", TRACEPARENT)):
        asked = messages.ask(1, [prompt], None, alone=False)
    assert asked.traceparent == TRACEPARENT
    with tracing.call("aligned", 1, asked.traceparent):
        pass
    with pytest.raises(ZeroDivisionError), tracing.call("aligned", 1, asked.traceparent):
        1 / 0  # noqa: B018
    done, failed = exporter.get_finished_spans()
    assert {f"{span.parent.span_id:016x}" for span in (done, failed)} == {PARENT}
    assert done.status.is_ok
    assert failed.status.description == "ZeroDivisionError"
    assert not failed.events, "which would hold the words of a foreign error"


def test_a_caller_that_is_not_traced_stays_so(exporter):
    made = Tracing.of(TracingSettings(endpoint="http://127.0.0.1:9", share=1), "gateway-1")
    made._provider.add_span_processor(SimpleSpanProcessor(exporter))
    with made.call("aligned", 1, f"{TRACEPARENT[:-1]}0"):
        pass
    assert exporter.get_finished_spans() == ()
    with made.call("aligned", 1, TRACEPARENT):
        pass
    assert len(exporter.get_finished_spans()) == 1
    made._provider.shutdown()


def test_without_settings_there_are_none():
    assert Tracing.of(None, "gateway-1") is None


@pytest.mark.parametrize("name", ["no_such_library", "no_such_library.of.this", "json.no_such"])
def test_a_library_that_is_missing_is_named(monkeypatch, name):
    monkeypatch.setattr(tracing_module, "_LIBRARIES", (name,))
    with pytest.raises(ConfigError, match=rf"{name} is not.*trueodds-service\[tracing"):
        check_installed()


def test_what_runs_beside_has_no_context(traced, exporter):
    """No span is current in the process: what other libraries trace is not put below ours."""
    assert trace.get_current_span(contexts.get_current()) is trace.INVALID_SPAN


def test_a_collector_that_says_nothing_keeps_no_process(monkeypatch):
    monkeypatch.setattr(tracing_module, "_FLUSH_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracing = Tracing.of(TracingSettings(endpoint=address, share=1.0), "gateway-1")
        with tracing.call("model", 1, TRACEPARENT):
            pass
        closing = threading.Thread(target=tracing.close)
        closing.start()
        closing.join(5.0)  # gRPC alone would try for ten seconds
        assert not closing.is_alive()
