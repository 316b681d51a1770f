"""What Prometheus is told of a gateway that answers."""

import asyncio
import socket

import grpc
import httpx
import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from trueodds.v1 import scoring_pb2
from trueodds_service import watching
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import TENANT, Everybody
from trueodds_service.edge.metrics import page
from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.edge.metrics.server import MetricsServer
from trueodds_service.edge.watch import Watch
from trueodds_service.errors import Exhausted, Unavailable
from trueodds_service.watching import Answered

SCORE = "trueodds.v1.ScoringService/Score"
STREAM = "trueodds.v1.ScoringService/StreamScore"


def samples(text, name, *, without=("process",)):
    """The values of a metric by the values of its labels, in the order of their names."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.name == name:
                labels = {k: v for k, v in sample.labels.items() if k not in without}
                found[tuple(labels[k] for k in sorted(labels))] = sample.value
    return found


@pytest.fixture
def told(start_service):
    """A service, and what it tells by the name of a metric."""
    service = start_service()
    service.told = lambda name: samples(service.app.metrics.node(), name)
    return service


def test_requests_are_counted_by_what_their_callers_were_told(told, question, refused):
    told.score(question())
    with refused(grpc.StatusCode.NOT_FOUND):
        told.score(question(), model="models/none")
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        told.score(question(options=1, labels=["?" * 1000]))
    counts = told.told("trueodds_requests_total")
    assert counts[SCORE, "", "OK"] == 1
    assert counts[SCORE, "MODEL_NOT_FOUND", "NOT_FOUND"] == 1
    assert sum(v for (_, _, s), v in counts.items() if s == "INVALID_ARGUMENT") == 1
    assert told.told("trueodds_request_seconds_count")[(SCORE,)] == 3
    assert told.told("trueodds_requests_under_way") == {(): 0}


def test_questions_of_batches_and_streams_are_counted_one_by_one(told, question):
    long = question(text="word " * 5000)
    told.batch([question(), long, question()])
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    requests = [
        scoring_pb2.StreamScoreRequest(settings=settings, questions=[question()]),
        scoring_pb2.StreamScoreRequest(questions=[question(), question()]),
    ]
    answers = [each for r in told.scoring.StreamScore(iter(requests)) for each in r.outcomes]
    assert told.told("trueodds_questions_total") == {
        ("aligned", "raw"): 5,
        ("aligned", "failed"): 1,
    }
    assert told.told("trueodds_question_failures_total") == {("aligned", "PROMPT_TOO_LONG"): 1}
    tokens = told.told("trueodds_prompt_tokens_total")[("aligned",)]
    assert tokens == 5 * answers[0].answer.prompt_tokens
    # A batch of a stream goes through the stages by itself, and the stream ends once.
    stages = told.told("trueodds_stage_seconds_count")
    assert {stages[(each,)] for each in ("tokenize", "engine", "calibrate")} == {3}
    assert told.told("trueodds_requests_total")[STREAM, "", "OK"] == 1


@pytest.fixture
def counted():
    """A gate for one request at a time, and what is told of those that come to it."""
    metrics = ProcessMetrics("gateway")
    requests = RequestMetrics(metrics.registry, tenants=1)
    return Gate(1, Everybody(), Watch(requests)), lambda name: samples(metrics.node(), name)


async def test_who_is_refused_is_counted_and_is_not_under_way(counted):
    gate, told = counted
    async with gate.admitted(Arrival(SCORE)):
        assert told("trueodds_requests_under_way") == {(): 1}
        with pytest.raises(Unavailable):
            async with gate.admitted(Arrival(SCORE)):
                pytest.fail("there is room for one")
        assert told("trueodds_requests_under_way") == {(): 1}
    assert told("trueodds_requests_under_way") == {(): 0}
    assert told("trueodds_requests_total") == {
        (SCORE, "TOO_MANY_REQUESTS", "RESOURCE_EXHAUSTED"): 1,
        (SCORE, "", "OK"): 1,
    }
    assert told("trueodds_stage_seconds_count")[("admission",)] == 1


async def test_what_is_asked_for_another_tenant_counts_for_the_own(counted):
    """Else an administrator could use up the names that have series of their own."""
    gate, told = counted
    for tenant in ("first", "second"):
        async with gate.admitted(Arrival(SCORE, metadata={TENANT: tenant})):
            watching.current().answered(Answered("m", calibrated=1, raw=0))
    assert told("trueodds_tenant_requests_total") == {("OK", ""): 2}
    assert told("trueodds_tenant_questions_total") == {("calibrated", ""): 2}


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (asyncio.CancelledError(), "CANCELLED", "CANCELLED"),
        (ZeroDivisionError("a prompt"), "INTERNAL", "INTERNAL"),
        (Exhausted("later", reason="QUOTA"), "RESOURCE_EXHAUSTED", "QUOTA"),
    ],
)
async def test_however_a_request_ends_it_is_counted_once(counted, error, status, reason):
    gate, told = counted
    with pytest.raises(type(error)):
        async with gate.admitted(Arrival(SCORE)):
            raise error
    assert told("trueodds_requests_total") == {(SCORE, reason, status): 1}
    assert told("trueodds_requests_under_way") == {(): 0}


def test_a_tenant_beyond_the_maximum_has_no_series_of_its_own():
    metrics = ProcessMetrics("gateway")
    requests = RequestMetrics(metrics.registry, tenants=2)
    for tenant in ("one", "two", "three", "four", "one"):
        requests.ended(SCORE, "OK", "", tenant, 0.1)
        requests.answered(Answered("m", calibrated=1, raw=0), tenant)
    told = samples(metrics.node(), "trueodds_tenant_requests_total")
    assert told == {("OK", "one"): 2, ("OK", "two"): 1, ("OK", "others"): 2}
    told = samples(metrics.node(), "trueodds_tenant_questions_total")
    assert told == {
        ("calibrated", "one"): 2,
        ("calibrated", "two"): 1,
        ("calibrated", "others"): 2,
    }


def test_without_the_switch_no_tenant_is_named():
    metrics = ProcessMetrics("gateway")
    RequestMetrics(metrics.registry).ended(SCORE, "OK", "", "acme", 0.1)
    assert b"acme" not in metrics.node()


def test_models_and_calibrators_are_told(told):
    told.run(told.app.model_lost("base"))
    states = told.told("trueodds_model_state")
    assert {model: state for (model, state), is_on in states.items() if is_on} == {
        "aligned": "READY",
        "base": "LOST",
    }
    assert told.told("trueodds_calibrators_active") == {("aligned",): 0, ("base",): 0}
    assert 0 <= told.told("trueodds_snapshot_age_seconds")[()] < 60
    assert told.told("trueodds_snapshot_stale") == {(): 0}
    assert told.told("process_resident_memory_bytes")[()] > 2**20
    assert told.told("process_open_fds")[()] > 3


def test_any_process_of_a_node_tells_of_all_once_each(tmp_path):
    processes = [ProcessMetrics(f"replica-{number}", tmp_path).start() for number in (1, 2)]
    for number, each in enumerate(processes, 1):
        Counter("trueodds_things_total", "Things.", registry=each.registry).inc(number)
    (tmp_path / "gateway-3.metrics").touch()  # of one that was killed
    try:
        for each in processes:
            text = each.node()
            things = samples(text, "trueodds_things_total", without=())
            assert things == {("replica-1",): 1, ("replica-2",): 2}
            assert text.decode().count("# TYPE trueodds_things_total") == 1
            assert samples(text, "trueodds_process_up", without=()) == {
                ("replica-1",): 1,
                ("replica-2",): 1,
            }
        processes[1].close()
        assert samples(processes[0].node(), "trueodds_things_total") == {(): 1}
    finally:
        for each in processes:
            each.close()
    assert [*tmp_path.iterdir()] == []


def test_a_process_that_says_nothing_costs_the_others_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_ANSWER_SECONDS", 0.05)
    metrics = ProcessMetrics("gateway-1", tmp_path).start()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "replica-2.metrics"))
        silent.listen()
        told = samples(metrics.node(), "trueodds_process_up", without=())
    metrics.close()
    assert told == {("gateway-1",): 1, ("replica-2",): 0}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_prometheus_asks_over_http_and_gateways_share_the_port(host):
    doors = [MetricsServer(f"{host}:0", lambda: b"x 1\n")]
    doors.append(MetricsServer(doors[0].address, lambda: b"x 1\n"))
    try:
        for path, status, body in (("/metrics", 200, b"x 1\n"), ("/", 404, b"there is /metrics\n")):
            answer = httpx.get(f"http://{doors[0].address}{path}")
            assert (answer.status_code, answer.content) == (status, body)
        assert httpx.get(f"http://{doors[0].address}/metrics").headers["content-type"] == (
            "text/plain; version=0.0.4; charset=utf-8"
        )
        foreign = httpx.get(f"http://{doors[0].address}/metrics", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.content[:5]) == (403, b"Host:")
    finally:
        for door in doors:
            door.close()
