"""What goes wrong answers a status, tells no prompt, and leaves the service well."""

import asyncio
import gc
import logging
import math
import threading
from contextlib import suppress

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds import Client, Question
from trueodds.v1 import calibration_pb2, question_pb2, scoring_pb2
from trueodds_service.engine.base import TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.rpc.health import SERVICES

MARKER = "xylophone"
"""A word of the prompt, that no error may repeat."""

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

METHODS = {
    f"/{service}/{method.name}": method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}


class Faulty(FakeEngine):
    """Fails with an error that holds the prompt, as errors of a library can."""

    async def score(self, prompts):
        raise ValueError(f"cannot read {MARKER}")


class Hanging(FakeEngine):
    """Never answers, and says when it was asked and when it was let off."""

    def __init__(self):
        super().__init__()
        self.asked, self.cancelled = threading.Event(), threading.Event()

    async def score(self, prompts):
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Lost(FakeEngine):
    """Its model is lost while it answers, as when it died and a replacement does."""

    def __init__(self):
        super().__init__(seed=7)
        self.app = None

    async def score(self, prompts):
        await self.app.model_lost("aligned")
        return await super().score(prompts)


class Even(FakeEngine):
    """Finds all options as likely, however long they are, at once."""

    async def score(self, prompts):
        counts = [len(prompt.continuations) for prompt in prompts]
        return [TokenScore((-9.0,) * count, (False,) * count) for count in counts]


@pytest.fixture
def send(service):
    """Sends bytes to a method; the code that it answers with."""

    def send(path, content):
        requests, responses = METHODS[path].client_streaming, METHODS[path].server_streaming
        kind = f"{'stream' if requests else 'unary'}_{'stream' if responses else 'unary'}"
        call = getattr(service.channel, kind)(path)
        request = iter([content]) if requests else content
        return outcome(lambda: list(call(request)) if responses else call(request))[1]

    return send


def outcome(call):
    """What a call returns, and the code that it ends with."""
    try:
        return call(), grpc.StatusCode.OK
    except grpc.RpcError as error:
        return None, error.code()


def fit_request(questions, **fields):
    items = [calibration_pb2.FitQuestion(question=question) for question in questions]
    return calibration_pb2.FitCalibratorRequest(
        **{"model": "models/aligned", "method": calibration_pb2.METHOD_TEACHER_KL, **fields},
        questions=calibration_pb2.FitQuestions(items=items),
    )


@pytest.fixture
def marked(question):
    """A question that holds the marker wherever a prompt holds text but in its labels."""
    message = question(f"{MARKER}?", passage=f"Of a {MARKER}.")
    for option in message.options:
        option.text = MARKER
    return message


WRONG = {
    "nothing wrong": lambda message: None,
    "too long": lambda message: setattr(message, "text", f"{MARKER} " * 3000),
    "a label": lambda message: [
        setattr(option, "label", f"not one token {place}")
        for place, option in enumerate(message.options)
    ],
    "an empty option": lambda message: setattr(message.options[1], "text", ""),
    "one option": lambda message: message.options.__delitem__(slice(1, None)),
}


@pytest.mark.parametrize("engine", [Faulty, FakeEngine])
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_no_error_holds_a_prompt(start_service, marked, caplog, capfd, engine, change):
    caplog.set_level(logging.DEBUG)
    service = start_service(engines={"aligned": engine()})
    change(marked)
    shot = question_pb2.Shot(question=marked, answer=0)
    settings = scoring_pb2.ScoreSettings(model="models/aligned", shots=[shot])
    calls = [
        lambda: service.score(marked),
        lambda: service.score(marked, shots=[shot]),
        lambda: service.batch([marked] * 2),
        lambda: service.batch([marked], calibrator="models/aligned/calibrators/0"),
        lambda: service.scoring.BatchScore(scoring_pb2.BatchScoreRequest(settings=settings)),
        lambda: list(service.calibration.FitCalibrator(fit_request([marked]))),
    ]
    errors = 0
    for call in calls:
        try:
            said = str(call())
        except grpc.RpcError as error:
            errors += 1
            said = f"{error} {error.details()} {error.trailing_metadata()}"
        assert MARKER not in said
    assert errors >= 3
    assert MARKER not in caplog.text
    assert MARKER not in "".join(capfd.readouterr())


@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_a_fault_of_ours_is_internal_without_its_text(
    start_service, question, refused, caplog, kind
):
    service = start_service(engines={"aligned": Faulty()})
    with refused(grpc.StatusCode.INTERNAL, reason="INTERNAL") as caught:
        if kind == "unary":
            service.score(question())
        else:
            list(service.calibration.FitCalibrator(fit_request([question()] * 2)))
    assert caught.value.details() == "the service failed; the request may be tried again"
    assert "ValueError at test_faults.py:" in caplog.text, "the log says where"
    assert service.score(question(), model="models/base").options


@pytest.mark.parametrize("end", ["deadline", "cancellation"])
@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_who_leaves_takes_the_prompts_along(start_service, question, end, kind):
    engine = Hanging()
    service = start_service(engines={"aligned": engine})
    if kind == "unary":
        settings = scoring_pb2.ScoreSettings(model="models/aligned")
        request = scoring_pb2.ScoreRequest(settings=settings, question=question())
        method = service.scoring.Score.future
    else:
        request = fit_request([question()] * 2, activate=True)
        method = service.calibration.FitCalibrator
    # A deadline can pass before the engine is asked, on a busy machine: then a longer one.
    for timeout in (1, 4, 16, 64) if end == "deadline" else (None,):
        call = method(request, timeout=timeout)
        while not engine.asked.wait(0.05) and call.is_active():
            pass
        if engine.asked.is_set():
            break
    assert engine.asked.is_set()
    if end == "cancellation":
        call.cancel()
    assert engine.cancelled.wait(60)
    expected = {"deadline": "DEADLINE_EXCEEDED", "cancellation": "CANCELLED"}[end]
    assert call.code() is grpc.StatusCode[expected]
    assert service.score(question(), model="models/base").options
    listing = calibration_pb2.ListCalibratorsRequest(model="models/aligned")
    assert not service.calibration.ListCalibrators(listing).calibrators


def test_a_method_that_is_not_there(service):
    with pytest.raises(grpc.RpcError) as caught:
        service.channel.unary_unary("/trueodds.v1.ScoringService/Guess")(b"")
    assert caught.value.code() is UNIMPLEMENTED


@pytest.mark.parametrize("path", METHODS)
def test_an_empty_request_has_an_answer(send, path):
    name = path.split("/")[2]
    expected = INVALID
    if name in ("ListModels", "StreamScore"):  # in a stream, the response holds the error
        expected = grpc.StatusCode.OK
    assert send(path, b"") is expected


# ListModels has no field, so to it the text is a field that it does not know.
@pytest.mark.parametrize("path", [each for each in METHODS if not each.endswith("/ListModels")])
@pytest.mark.parametrize(
    "content", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x0a" + MARKER.encode() + b"\xff"]
)
def test_bytes_that_are_no_request_are_refused(send, service, question, caplog, path, content):
    """An unfinished number, a field longer than the message, text that is not UTF-8."""
    assert send(path, content) is INVALID
    assert not caplog.text
    assert service.score(question()).options


@pytest.mark.parametrize("kind", ["one", "batch", "stream", "fit"])
def test_what_an_engine_has_answered_is_not_lost_with_it(
    start_service, question, no_replacement, kind
):
    engine = Lost()
    service = start_service(engines={"aligned": engine})
    engine.app = service.app
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    match kind:
        case "one":
            assert service.score(question()).options
        case "batch":
            assert [each.answer.choice for each in service.batch([question()] * 2)]
        case "stream":
            batch = scoring_pb2.StreamScoreRequest(settings=settings, questions=[question()])
            [response] = service.scoring.StreamScore(iter([batch]))
            assert response.outcomes[0].HasField("answer")
        case "fit":  # in several calls
            request = fit_request([question(f"{number}?") for number in range(70)])
            *_, last = service.calibration.FitCalibrator(request)
            assert last.calibrator.name
    with pytest.raises(grpc.RpcError, match="is being replaced"):
        service.score(question())


def test_more_requests_than_the_limit_are_told_to_come_back(start_service, question, refused):
    engine = Hanging()
    service = start_service(engines={"aligned": engine}, limits={"max_concurrent_requests": 1})
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    request = scoring_pb2.ScoreRequest(settings=settings, question=question())
    first = service.scoring.Score.future(request)
    assert engine.asked.wait(60)
    with refused(RESOURCE_EXHAUSTED, reason="TOO_MANY_REQUESTS"):
        service.score(question(), model="models/base")
    assert service.health.Check(health_pb2.HealthCheckRequest()).status, "probes are no requests"
    first.cancel()
    assert engine.cancelled.wait(60)
    # The place is free once the cancelled call has ended on the server, a moment later.
    with suppress(grpc.RpcError):
        service.score(question(), model="models/base")
    assert service.score(question(), model="models/base").options


@pytest.mark.parametrize("kind", ["one", "stream"])
def test_what_outlasts_a_stop_is_told_to_ask_again(start_service, question, refused, kind):
    """Its caller did not cancel it, and another gateway has the answer."""
    engine = Hanging()
    service = start_service(engines={"aligned": engine})
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    if kind == "one":
        request = scoring_pb2.ScoreRequest(settings=settings, question=question())
        call = service.scoring.Score.future(request)
    else:
        batch = scoring_pb2.StreamScoreRequest(settings=settings, questions=[question()])
        call = service.scoring.StreamScore(iter([batch]))
    assert engine.asked.wait(60)
    service.run(service.app.stop(0.1))
    with refused(grpc.StatusCode.UNAVAILABLE, reason="STOPPING"):
        call.result(60) if kind == "one" else next(call)
    assert engine.cancelled.wait(60)


def test_a_message_that_is_too_large_is_refused(start_service, question):
    service = start_service(limits={"max_message_mib": 1})
    with pytest.raises(grpc.RpcError) as caught:
        service.score(question("x" * 2**21))
    assert caught.value.code() is RESOURCE_EXHAUSTED
    assert service.score(question()).options


def test_an_answer_may_be_larger_than_a_request(start_service, question):
    """Options that are sent once are answered for each question."""
    engine = Even(max_tokens=2**15)
    service = start_service(limits={"max_message_mib": 1}, engines={"aligned": engine})
    options = question(options=128, labels=[f"{n:03}" + "é" * 61 for n in range(128)]).options
    shared = scoring_pb2.ScoreSettings(model="models/aligned", options=options)
    asked = [question_pb2.Question(text="Which?")] * 60
    request = scoring_pb2.BatchScoreRequest(settings=shared, questions=asked)
    answer = service.scoring.BatchScore(request)
    assert answer.ByteSize() > 2**20 > request.ByteSize()
    batches = [
        scoring_pb2.StreamScoreRequest(settings=shared, questions=questions)
        for questions in (asked, asked[:1])
    ]
    streamed = list(service.scoring.StreamScore(iter(batches)))
    assert {len(each.outcomes) for each in streamed} == {60, 1}


# Numbers of every size: each fit has a calibrator, or an error that names its field.
LOGPROBS = st.sampled_from([0.0, -1.0, 1e9, -1e9, 1e100, 1.7e308, -1.7e308, 5e-324])
LOGPROBS |= st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats(-50, 0)
ROWS = st.lists(LOGPROBS, min_size=2, max_size=2)
ITEMS = st.lists(st.tuples(ROWS, ROWS, st.integers(0, 1)), min_size=5, max_size=12)
ONCE = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ONCE
@given(items=ITEMS, method=st.sampled_from(["METHOD_TEACHER_KL", "METHOD_TEMPERATURE"]))
def test_no_scores_are_too_absurd_to_be_answered(service, items, method):
    scores = [
        calibration_pb2.FitScore(logprobs=row, teacher_logprobs=teacher, answer=answer)
        for row, teacher, answer in items
    ]
    request = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        task="absurd",
        method=method,
        scores=calibration_pb2.FitScores(items=scores),
    )
    events, code = outcome(lambda: list(service.calibration.FitCalibrator(request)))
    assert code in (INVALID, grpc.StatusCode.OK)
    if events:
        assert 0.001 <= events[-1].calibrator.temperature <= 1000


@ONCE
@given(
    text=st.text(max_size=20),
    options=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=3)), max_size=5),
    task=st.text(max_size=5),
    answer_format=st.sampled_from([0, 1, 2, 99, -1, 2**31 - 1]),
)
def test_no_question_is_too_absurd_to_be_answered(service, text, options, task, answer_format):
    message = question_pb2.Question(
        text=text, options=[question_pb2.Option(text=each, label=label) for each, label in options]
    )
    answer, code = outcome(lambda: service.score(message, task=task, format=answer_format))
    assert code in (INVALID, grpc.StatusCode.OK)
    if answer:
        assert sum(each.probability for each in answer.options) == pytest.approx(1)


def test_grpc_itself_asks_again_where_it_is_told_to(start_service, question):
    """Only of a status that comes alone, without an empty message before it (gRFC A6)."""
    engine = Hanging()
    limits = {"max_concurrent_requests": 1}
    service = start_service(engines={"aligned": engine}, limits=limits)
    request = scoring_pb2.ScoreRequest(
        settings=scoring_pb2.ScoreSettings(model="models/aligned"), question=question()
    )
    holding = service.scoring.Score.future(request)
    assert engine.asked.wait(60)
    threading.Timer(0.2, holding.cancel).start()
    with Client(service.app.address, retries=4) as client:
        asked = Question("Which?", ["this", "that"])
        assert client.score(asked, model="base", timeout=60).options


def test_nothing_of_a_refused_request_stays(service, question, refused):
    """Python frees at once what nothing refers to; what refers to itself stays until its collector
    comes, and a flood of refused requests fills the memory, and then stops everybody.
    """
    request = scoring_pb2.ScoreRequest(
        settings=scoring_pb2.ScoreSettings(model="models/none"), question=question()
    )
    gc.collect()
    gc.disable()
    try:
        before = _messages()
        for _ in range(10):
            with refused(grpc.StatusCode.NOT_FOUND):
                service.scoring.Score(request)
        assert _messages() - before < 5
    finally:
        gc.enable()


def _messages():
    return sum(type(each) is scoring_pb2.ScoreRequest for each in gc.get_objects())
