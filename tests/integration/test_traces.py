"""A request's spans, from the processes that work on it to a collector of OpenTelemetry's."""

from tests.integration.collector import PARENT, Collector

from trueodds_demo.service import BASE


def test_gateway_and_replica_send_their_spans_of_a_request(
    http_url: str, collector: Collector
) -> None:
    found = {each.span.name: each for each in collector.trace_of_a_question(http_url, BASE)}
    whole = found.pop("trueodds.v1.ScoringService/Score")
    assert whole.span.parent_span_id.hex() == PARENT
    assert {*found} == {"admission", "tokenize", "queue", "engine", "calibrate", "replica"}
    assert {each.span.parent_span_id for each in found.values()} == {whole.span.span_id}
    replica = found.pop("replica")
    assert {each.process for each in found.values()} == {whole.process}
    assert whole.process.startswith("gateway-")
    assert replica.process.startswith("replica-")
    engine = found["engine"].span
    assert engine.start_time_unix_nano < replica.span.end_time_unix_nano
    assert replica.span.start_time_unix_nano < engine.end_time_unix_nano
