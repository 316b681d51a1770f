"""The client library and the command, against the service in this process."""

import asyncio
import itertools
import json
import math
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status
from msgspec.structs import replace
from typer.testing import CliRunner

from trueodds import AsyncClient, Client, Question
from trueodds.cli.main import app
from trueodds.v1 import model_pb2_grpc, scoring_pb2, scoring_pb2_grpc
from trueodds_service.engine.fake import FakeEngine

_AWAY = status_pb2.Status(code=code_pb2.UNAVAILABLE)


class Stuck(FakeEngine):
    """Takes a batch and keeps it."""

    def __init__(self):
        super().__init__()
        self.took, self.gave_up = threading.Event(), threading.Event()

    async def score(self, prompts):
        self.took.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.gave_up.set()


class Faulty(FakeEngine):
    """Fails at what is left in ``faults`` calls, and always at prompts longer than ``longest``."""

    def __init__(self, faults=0, longest=2048):
        super().__init__()
        self.faults, self.longest = faults, longest

    async def score(self, prompts):
        self.faults -= 1
        if self.faults >= 0 or any(prompt.length > self.longest for prompt in prompts):
            raise RuntimeError
        return await super().score(prompts)


class Doubtful(FakeEngine):
    """The options hold 0.02 of the probability, and 0.005 where the prompt is longer than 100."""

    async def score(self, prompts, adapter=None):
        outcomes = await super().score(prompts, adapter)
        return [
            replace(outcome, continuations=_shared(0.005 if prompt.length > 100 else 0.02, prompt))
            for prompt, outcome in zip(prompts, outcomes, strict=True)
        ]


def _shared(mass, prompt):
    count = len(prompt.continuations)
    return (math.log(mass / count),) * count


class Relay(scoring_pb2_grpc.ScoringServiceServicer, model_pb2_grpc.ModelServiceServicer):
    """Answers a stream by the service's BatchScore, and does to it what a test asks for.

    ``received`` are the numbers of questions of each message, over all streams.
    """

    def __init__(self, service):
        self._service = service
        self.received = []
        self.streams = 0
        self.asked_by, self.streamed_by = [], []
        """The connection of each GetModel, and of each stream."""
        self.break_after = []
        """After how many answers each stream breaks off, the first ones first."""
        self.breaks_off = grpc.StatusCode.UNAVAILABLE
        self.refuse = 0
        """How many batches are told to come back."""
        self.backwards = False
        self.silent = threading.Event()

    def GetModel(self, request, context):  # noqa: N802
        self.asked_by.append(context.peer())
        try:
            return self._service.models.GetModel(request)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            return context.abort_with_status(rpc_status.to_status(status))

    def StreamScore(self, request_iterator, context):  # noqa: N802
        self.streams += 1
        self.streamed_by.append(context.peer())
        left = self.break_after.pop(0) if self.break_after else None
        for group in self._groups(request_iterator):
            for request in group:
                self.received.append(len(request.questions))
                if self.silent.is_set():
                    continue
                if left == 0:
                    context.abort(self.breaks_off, "breaks off")
                yield self._answer(request)
                left = None if left is None else left - 1

    def _groups(self, requests):
        if not self.backwards:
            return ([each] for each in requests)
        return (group[::-1] for group in iter(lambda: [*itertools.islice(requests, 3)], []))

    def _answer(self, request):
        if self.refuse:
            self.refuse -= 1
            return scoring_pb2.StreamScoreResponse(batch_id=request.batch_id, error=_AWAY)
        batch = scoring_pb2.BatchScoreRequest(
            settings=request.settings, questions=request.questions
        )
        try:
            response = self._service.scoring.BatchScore(batch)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            return scoring_pb2.StreamScoreResponse(batch_id=request.batch_id, error=status)
        return scoring_pb2.StreamScoreResponse(
            batch_id=request.batch_id, outcomes=response.outcomes
        )


class Awaited:
    """AsyncClient with the face of Client, so that one test holds for both."""

    def __init__(self, address, run, **options):
        async def connect():
            return AsyncClient(address, **options)

        self._client, self._run = run(connect()), run

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            result = method(*args, **kwargs)
            return self._run(_listed(result) if hasattr(result, "__aiter__") else result)

        return call


async def _listed(iterator):
    return [each async for each in iterator]


@pytest.fixture(autouse=True)
def never_stale(monkeypatch):
    """Answers are compared whole: on a busy machine some polls of the store come late."""
    monkeypatch.setattr("trueodds_service.flows.active_calibrators._STALE_SECONDS", math.inf)


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request, run):
    """Connects a client to an address: ``Client``, and then ``AsyncClient``."""
    clients = []

    def connect(address, **options):
        kind = Client(address, **options)
        if request.param == "asyncio":
            kind = Awaited(address, run, **options)
        clients.append(kind)
        return kind

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(service, connect):
    return connect(service.app.address)


@pytest.fixture
def stuck(start_service):
    """A service of two requests at a time, and its engine, which never answers."""
    engine = Stuck()
    limits = {"max_concurrent_requests": 2}
    return start_service(engines={"aligned": engine}, limits=limits), engine


@pytest.fixture
def start_faulty(start_service, monkeypatch):
    """Starts a service whose engine is a ``Faulty``; what it fails at goes again at once."""
    monkeypatch.setattr("trueodds._stream.flight.FIRST_PAUSE", 0.001)
    return lambda **faults: start_service(engines={"aligned": Faulty(**faults)})


@pytest.fixture
def doubtful(start_service):
    """A service whose engine is a ``Doubtful``."""
    return start_service(engines={"aligned": Doubtful()})


@pytest.fixture
def relay(service, monkeypatch):
    """A server with a Relay; ``address`` is where it listens. What it fails at goes at once."""
    monkeypatch.setattr("trueodds._stream.flight.FIRST_PAUSE", 0.001)
    relay = Relay(service)
    server = grpc.server(ThreadPoolExecutor(4))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(relay, server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(relay, server)
    relay.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield relay
    server.stop(None)


class Slow(Relay):
    """A Relay whose calls run into their deadline when a message has more than ``most`` questions,
    or the question whose text is ``fail_at?``; that of ``hang_at?`` waits to be let go.
    """

    most, fail_at, hang_at = 128, None, None

    def __init__(self, service):
        super().__init__(service)
        self.let_go = threading.Event()

    def _check(self, request, context):
        if f"{self.hang_at}?" in [question.text for question in request.questions]:
            self.let_go.wait()
        late = f"{self.fail_at}?" in [question.text for question in request.questions]
        if late or len(request.questions) > self.most:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "late")

    def BatchScore(self, request, context):  # noqa: N802
        self._check(request, context)
        return self._service.scoring.BatchScore(request)

    def StreamScore(self, request_iterator, context):  # noqa: N802
        for request in request_iterator:
            self._check(request, context)
            yield self._answer(request)


@pytest.fixture
def slow_server(service):
    """A server with a Slow; ``address`` is where it listens."""
    slow = Slow(service)
    server = grpc.server(ThreadPoolExecutor(4))
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(slow, server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(slow, server)
    slow.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield slow
    slow.let_go.set()
    server.stop(None)


@pytest.fixture
def bare_server():
    """The address of a gRPC server that knows no method."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def ask():
    """Makes a question that nothing is wrong with."""
    return lambda text="Which one is it?", options=4: Question(
        text, [f"option {index}" for index in range(options)]
    )


@pytest.fixture
def command(service, monkeypatch):
    """Runs `trueodds ARGS` against the shared service: ``exit_code``, ``stdout``, ``stderr``."""
    monkeypatch.setenv("TRUEODDS_SERVER", service.app.address)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*args, stdin=None):
        result = CliRunner().invoke(app, [*map(str, args)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return command


@pytest.fixture
def interruptible():
    """What a script starts in its background ignores SIGINT, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def write(tmp_path):
    """Writes a file of JSON Lines: rows, or lines as they are."""

    def write(*rows, name="questions.jsonl"):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write
