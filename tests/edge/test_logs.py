"""Log lines: JSON, with the request's id, from whichever process."""

import json
import logging
from types import SimpleNamespace

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests import pages
from tests.serving.played import until

from trueodds.v1 import scoring_pb2
from trueodds_service.config import RequestLog
from trueodds_service.edge import logs
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import Everybody
from trueodds_service.edge.watch import Watch
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.engine.link.connection import Connection, EngineFault
from trueodds_service.engine.link.listener import Listener
from trueodds_service.errors import NotFound
from trueodds_service.watching import Watcher, watched_by

SCORE = "trueodds.v1.ScoringService/Score"


@pytest.fixture
def lines():
    """What is logged meanwhile, as the objects of its lines."""
    written = []
    handler = logging.Handler()
    formatter = logs.JsonLines("gateway-1")
    handler.emit = lambda record: written.append(json.loads(formatter.format(record)))
    loggers = [logging.getLogger(name) for name in ("trueodds_service", logs.REQUESTS)]
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    loggers[1].setLevel(logging.INFO)
    yield written
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def of_requests(lines):
    return [line for line in lines if line["logger"] == "requests"]


def test_a_request_ends_with_a_line_of_what_became_of_it(start_service, lines, question):
    service = start_service(observability={"log_requests": "all"})
    settings = scoring_pb2.ScoreSettings(model="models/aligned", task="a-task-of-ours")
    request = scoring_pb2.BatchScoreRequest(
        settings=settings, questions=[question(), *[question(text="word " * 5000)] * 2]
    )
    answer, call = service.scoring.BatchScore.with_call(
        request, metadata=[("x-request-id", "a-request.1")]
    )
    assert ("x-request-id", "a-request.1") in call.trailing_metadata()
    [line] = of_requests(lines)
    assert line.keys() == json.loads(pages.beginning('{"time": ').text).keys(), "as the page shows"
    assert line.pop("milliseconds") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "process": "gateway-1",
        "logger": "requests",
        "message": "request",
        "request_id": "a-request.1",
        "method": "trueodds.v1.ScoringService/BatchScore",
        "caller": "anyone",
        "tenant": "",
        "status": "OK",
        "reason": "",
        "calibrated": 0,
        "raw": 1,
        "failed": 2,
        "prompt_tokens": answer.outcomes[0].answer.prompt_tokens,
    }


def test_a_failure_tells_its_caller_under_which_id_it_is_found(start_service, lines, question):
    service = start_service()
    with pytest.raises(grpc.RpcError) as caught:
        service.score(question(), model="models/none")
    boxes = rpc_status.from_call(caught.value).details
    found = error_details_pb2.RequestInfo()
    assert any(box.Unpack(found) for box in boxes)
    assert dict(caught.value.trailing_metadata())["x-request-id"] == found.request_id
    [line] = of_requests(lines)
    assert (line["request_id"], line["status"], line["reason"]) == (
        found.request_id,
        "NOT_FOUND",
        "MODEL_NOT_FOUND",
    )
    service.score(question())
    assert len(of_requests(lines)) == 1, "those that succeed are not written unless asked for"


@pytest.mark.parametrize("wanted", ["", "a b", "a\nb", "é", "x" * 65, '"', "-a"])
def test_an_id_that_is_not_fit_for_logs_is_replaced(wanted):
    ids = {Arrival(SCORE, {"x-request-id": wanted}).request_id for _ in range(2)}
    assert len(ids) == 2
    assert wanted not in ids
    assert {len(each) for each in ids} == {32}


@pytest.mark.parametrize(("log", "written"), [("all", 2), ("failed", 1), ("none", 0)])
async def test_which_requests_are_written(lines, log, written):
    gate = Gate(5, Everybody(), Watch(log=RequestLog(log)))
    async with gate.admitted(Arrival(SCORE)):
        pass
    with pytest.raises(NotFound):
        async with gate.admitted(Arrival(SCORE)):
            raise NotFound("there is none")
    assert len(of_requests(lines)) == written


async def test_what_a_replica_logs_has_the_id_of_the_gateways_request(tmp_path, lines):
    async def fails(prompts, adapter):
        raise ZeroDivisionError("a prompt")

    listener = Listener(FakeEngine().info, fails)
    connection = await Connection.open(listener.listen(f"ipc://{tmp_path}/x"), lambda: None)
    with watched_by(Watcher("a-request")), pytest.raises(EngineFault):
        await connection.score([TokenPrompt((1, 2), ((3,), (4,)))], None)
    connection.close()
    await listener.close(1)
    [line] = [line for line in lines if line["logger"] == "engine.link.calls"]
    assert line["request_id"] == "a-request"
    assert "a prompt" not in line["message"]


@pytest.fixture
def logger():
    """The service's logger, as it was."""
    logger = logging.getLogger("trueodds_service")
    before, level = [*logger.handlers], logging.getLogger(logs.REQUESTS).level
    yield logger
    logger.handlers[:] = before
    logging.getLogger(logs.REQUESTS).setLevel(level)


async def test_processes_of_a_node_write_to_the_one_that_started_them(tmp_path, capsys, logger):
    with logs.collected(tmp_path):
        logs.write("replica-2", tmp_path)
        logger.warning("one")
        logger.warning("two %s", "x" * 20_000)
        told = SimpleNamespace(text="")

        def both():
            told.text += capsys.readouterr().err
            return told.text.count("\n") == 2

        await until(both)
    first, second = map(json.loads, told.text.splitlines())
    assert (first["process"], first["level"], first["message"]) == ("replica-2", "WARNING", "one")
    assert second["message"] == "two " + "x" * 20_000
    logger.warning("nobody reads this, and nobody waits")


def test_without_a_collector_a_process_writes_by_itself_and_once(capfd, logger, tmp_path):
    for _ in range(2):
        logs.write("gateway-1", tmp_path)
    logger.warning("one")
    assert [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()] == ["one"]
