"""What bounds a client's calls: deadlines that the server is told, and messages at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from trueodds import Scores, TrueoddsError
from trueodds._channel import FIT_TIMEOUT, WINDOW
from trueodds.calibrator import Method
from trueodds.v1 import model_pb2_grpc, scoring_pb2, scoring_pb2_grpc

TIMEOUT = 50.0
NAME = f"models/aligned/calibrators/{0:016x}"


class Deadlines(grpc.GenericRpcHandler):
    """Serves nothing, and keeps how many seconds each method had."""

    def __init__(self):
        self.seconds = {}

    def service(self, call_details):
        name = call_details.method.rsplit("/", 1)[1]

        def refuse(_, context):
            self.seconds[name] = context.time_remaining()
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "nothing is served")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture
def deadlines():
    handler = Deadlines()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield handler
    server.stop(None)


CALLS = {
    "Score": lambda client, ask: client.score(ask(), model="aligned"),
    "BatchScore": lambda client, ask: client.score_batch([ask()], model="aligned"),
    "Calibrate": lambda client, _: client.calibrate([[0.0, -1.0]], name=NAME),
    "ListCalibrators": lambda client, _: list(client.calibrators("aligned")),
    "GetCalibrator": lambda client, _: client.calibrator(NAME),
    "ActivateCalibrator": lambda client, _: client.activate(NAME),
    "RollbackCalibrator": lambda client, _: client.rollback(NAME),
    "DeleteCalibrator": lambda client, _: client.delete(NAME),
    "GetModel": lambda client, _: client.model("aligned"),
    "ListModels": lambda client, _: client.models(),
}
FITS = {
    "FitCalibrator": lambda client, _: client.fit(
        [Scores([0.0, -1.0], answer=0)] * 5, model="aligned", method=Method.TEMPERATURE
    ),
    "EvaluateCalibrator": lambda client, _: client.evaluate(
        NAME, [Scores([0.0, -1.0], answer=0)] * 5
    ),
}


@pytest.mark.parametrize("name", [*CALLS, *FITS])
def test_the_server_is_told_how_long_a_call_may_take(connect, deadlines, ask, name):
    client = connect(deadlines.address, timeout=TIMEOUT)
    with pytest.raises(TrueoddsError):
        (CALLS | FITS)[name](client, ask)
    # gRPC rounds what it tells up, by less than a hundredth.
    assert 0 < deadlines.seconds[name] <= 1.01 * (TIMEOUT if name in CALLS else FIT_TIMEOUT)


WHOLE = {
    "evaluate": lambda client, ask, timeout: client.evaluate(
        "0123", [Scores([0.0, -1.0], answer=0)], timeout=timeout
    ),
    "check": lambda client, ask, timeout: client.check("0123", [ask()], timeout=timeout),
}


@pytest.mark.parametrize("call", WHOLE.values(), ids=WHOLE)
def test_the_look_for_a_short_name_is_within_the_timeout(connect, deadlines, ask, call):
    client = connect(deadlines.address, timeout=TIMEOUT)
    for timeout, most in ((20.0, 20.0), (FIT_TIMEOUT, TIMEOUT)):
        with pytest.raises(TrueoddsError):
            call(client, ask, timeout)
        assert 0 < deadlines.seconds["ListModels"] <= 1.01 * most


class Held(scoring_pb2_grpc.ScoringServiceServicer, model_pb2_grpc.ModelServiceServicer):
    """Keeps every batch but the one that asks "First?", which fails once another one is here."""

    def __init__(self, models):
        self._models = models
        self.second, self.ended, self.over = (threading.Event() for _ in range(3))
        self.most = self._now = 0

    def GetModel(self, request, _):  # noqa: N802
        return self._models.GetModel(request)

    def BatchScore(self, request, context):  # noqa: N802
        if request.questions[0].text == "First?":
            assert self.second.wait(60)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        context.add_callback(self.ended.set)
        self.second.set()
        self.over.wait(60)
        return scoring_pb2.BatchScoreResponse()


@pytest.fixture
def serve():
    """Serves a servicer of both services, which gets to know its ``address``."""
    servers = []

    def serve(servicer):
        server = grpc.server(ThreadPoolExecutor(32))
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(servicer, server)
        model_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
        servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
        return servicer

    yield serve
    for server in servers:
        server.stop(None)


@pytest.fixture
def held(service, serve):
    held = serve(Held(service.models))
    yield held
    held.over.set()


@pytest.fixture
def small_messages(monkeypatch):
    monkeypatch.setattr("trueodds._calls.models.BATCH", 2)


def test_a_batch_that_fails_ends_its_calls_on_the_server(connect, held, ask, small_messages):
    client = connect(held.address)
    with pytest.raises(TrueoddsError, match="too much"):
        client.score_batch([ask("First?"), *[ask()] * 5], model="aligned")
    assert held.ended.wait(60)


class Window(Held):
    """Answers nothing before the window is full, and knows how many batches it had at once."""

    def __init__(self, scoring, models):
        super().__init__(models)
        self._scoring = scoring
        self._changed = threading.Condition()
        self._seen = 0

    def BatchScore(self, request, context):  # noqa: N802
        with self._changed:
            self._now += 1
            self._seen += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            full = self._changed.wait_for(lambda: self._seen >= WINDOW, 60)
        assert full
        response = self._scoring.BatchScore(request)
        with self._changed:
            self._now -= 1
        return response


def test_no_more_messages_are_under_way_than_the_window(
    connect, service, serve, ask, small_messages
):
    window = serve(Window(service.scoring, service.models))
    answers = connect(window.address).score_batch([ask()] * 60, model="aligned")
    assert len(answers) == 60
    assert window.most == WINDOW


class Counted(Window):
    """Answers everything, and keeps what it was asked: each batch's number of questions."""

    def __init__(self, scoring, models):
        super().__init__(scoring, models)
        self.batches, self.models_asked = [], 0

    def GetModel(self, request, context):  # noqa: N802
        self.models_asked += 1
        return super().GetModel(request, context)

    def BatchScore(self, request, _):  # noqa: N802
        self.batches.append(len(request.questions))
        return self._scoring.BatchScore(request)


@pytest.mark.parametrize(
    ("questions", "batches", "models_asked"), [(1, [1], 0), (2, [2], 1), (5, [2, 2, 1], 1)]
)
def test_a_call_costs_no_more_messages_than_it_needs(
    connect, service, serve, ask, small_messages, questions, batches, models_asked
):
    """A lone question asks for no limits, which it cannot exceed; more of them ask once."""
    counted = serve(Counted(service.scoring, service.models))
    connect(counted.address).score_batch([ask()] * questions, model="aligned")
    assert sorted(counted.batches, reverse=True) == batches
    assert counted.models_asked == models_asked
