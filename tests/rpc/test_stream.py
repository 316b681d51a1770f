"""StreamScore: batches in, answers out as each is done, and no more under way than the limit."""

import asyncio
import itertools
import struct
import threading
import time
from contextlib import closing

import grpc
import pytest
from verification.chaos import http2

from trueodds.v1 import calibration_pb2, scoring_pb2
from trueodds_service.engine.fake import FakeEngine

LIMIT = 3
STREAM = "/trueodds.v1.ScoringService/StreamScore"
ONE_MIB = {"max_stream_mib": 1, "max_fit_mib": 1}


class Gated(FakeEngine):
    """Scores when it is told to, and knows who has asked and who has left."""

    def __init__(self):
        super().__init__()
        self.asked = threading.Semaphore(0)
        self.calls = 0
        self.left = 0
        self._open = []

    async def score(self, prompts, adapter=None):
        gate = asyncio.Event()
        self._open.append((asyncio.get_running_loop(), gate))
        self.calls += 1
        self.asked.release()
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        return await super().score(prompts)

    def wait_for(self, calls):
        for _ in range(calls):
            assert self.asked.acquire(timeout=60)

    def answer(self, call):
        """Lets one call answer, by its number."""
        loop, gate = self._open[call]
        loop.call_soon_threadsafe(gate.set)


def batch(questions, name="", **settings):
    message = scoring_pb2.StreamScoreRequest(batch_id=name, questions=questions)
    if settings:
        message.settings.CopyFrom(scoring_pb2.ScoreSettings(**settings))
    return message


@pytest.fixture
def first(question):
    """The first message of a stream, which holds the settings."""
    return batch([question("First?")], "first", model="models/aligned")


def eventually(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def after_others(service, question, calls=100):
    """Calls to another model, one after another: whatever the service goes on to do on its own,
    it has had the time for, however slow the machine.
    """
    for _ in range(calls):
        service.score(question(), model="models/base")


def test_every_batch_is_answered_as_batchscore_would(service, question):
    asked = {
        name: [question(f"Question {name}{n}?") for n in range(3)] for name in ("a", "b", "a/3")
    }
    requests = [batch(each, name) for name, each in asked.items()]
    requests[0].settings.model = "models/aligned"
    responses = {each.batch_id: each for each in service.scoring.StreamScore(iter(requests))}
    assert responses.keys() == asked.keys()
    for name, questions in asked.items():
        assert list(responses[name].outcomes) == list(service.batch(questions))
        assert not responses[name].HasField("error")
        assert responses[name].timings.total_seconds > 0


def test_a_stream_without_batches_ends(service):
    assert list(service.scoring.StreamScore(iter([]))) == []


def test_settings_hold_until_others_come(service, question):
    requests = [
        batch([question()], "1", model="models/aligned", task="streams"),
        batch([question()], "2"),
        batch([question()], "3", model="models/base"),
        batch([question()], "4"),
    ]
    responses = {each.batch_id: each for each in service.scoring.StreamScore(iter(requests))}
    confidences = {name: each.outcomes[0].answer.confidence for name, each in responses.items()}
    aligned = service.score(question()).confidence
    base = service.score(question(), model="models/base").confidence
    assert aligned != base
    assert confidences == {"1": aligned, "2": aligned, "3": base, "4": base}


def test_a_bad_question_fails_alone(service, question, details):
    [response] = service.scoring.StreamScore(
        iter([batch([question(), question(" ")], model="models/aligned")])
    )
    good, bad = response.outcomes
    assert good.answer.confidence > 0
    assert details(bad.error)["field"] == "questions[1].text"


WRONG = {
    "no settings": (lambda message: message.ClearField("settings"), "settings"),
    "no model": (lambda message: message.settings.ClearField("model"), "settings.model"),
    "top tokens": (
        lambda message: setattr(message.settings, "top_tokens", 99),
        "settings.top_tokens",
    ),
    "no questions": (lambda message: message.ClearField("questions"), "questions"),
}


@pytest.mark.parametrize(("change", "name"), WRONG.values(), ids=WRONG)
def test_a_bad_batch_fails_alone_and_the_stream_goes_on(
    service, question, details, first, change, name
):
    change(first)
    good = batch([question()], "good", model="models/aligned")
    failed, answered = sorted(
        service.scoring.StreamScore(iter([first, good])), key=lambda each: each.batch_id != "first"
    )
    assert failed.batch_id == "first"
    assert failed.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert details(failed.error)["field"] == name
    assert not failed.outcomes
    assert answered.outcomes[0].answer.confidence > 0


def test_settings_that_failed_fail_whoever_relies_on_them(service, question, details):
    requests = [batch([question()], model="models/nobody"), batch([question()])]
    responses = list(service.scoring.StreamScore(iter(requests)))
    reasons = [details(response.error)["reason"] for response in responses]
    assert reasons == ["MODEL_NOT_FOUND"] * 2


def test_a_fault_of_ours_fails_its_batch_only(start_service, question, details, first, caplog):
    class Faulty(FakeEngine):
        async def score(self, prompts, adapter=None):
            raise ValueError("a prompt")

    service = start_service(engines={"aligned": Faulty()})
    second = batch([question()], "second", model="models/base")
    responses = {each.batch_id: each for each in service.scoring.StreamScore(iter([first, second]))}
    assert details(responses["first"].error)["reason"] == "INTERNAL"
    assert "a prompt" not in responses["first"].error.message + caplog.text
    assert responses["second"].outcomes[0].answer.confidence > 0


def test_answers_come_as_they_are_done(start_service, question, first):
    engine = Gated()
    service = start_service(engines={"aligned": engine})

    def requests():
        yield first
        eventually(lambda: engine.calls == 1)
        yield batch([question()], "second")

    stream = service.scoring.StreamScore(requests())
    engine.wait_for(2)
    engine.answer(1)
    assert next(stream).batch_id == "second"
    engine.answer(0)
    assert next(stream).batch_id == "first"
    assert list(stream) == []


def test_no_more_is_under_way_than_the_limit(start_service, question, first):
    engine = Gated()
    service = start_service(engines={"aligned": engine}, limits={"max_stream_batches": LIMIT})
    sent = threading.Event()

    def requests():
        yield first
        for number in range(20):
            yield batch([question()], str(number))
        sent.set()

    stream = service.scoring.StreamScore(requests())
    engine.wait_for(LIMIT)
    assert sent.wait(60)
    after_others(service, question)
    assert engine.calls == LIMIT
    engine.answer(0)
    next(stream)
    engine.wait_for(1)
    after_others(service, question)
    assert engine.calls == LIMIT + 1
    stream.cancel()


def test_a_caller_that_does_not_read_stops_the_reading(start_service, question):
    """Far more than fits into the connection's buffers is never asked of the engine."""
    asked = itertools.count(1)
    latest = 0
    scores = []

    class Counting(FakeEngine):
        async def score(self, prompts, adapter=None):
            nonlocal latest, scores
            latest = next(asked)
            scores = scores or await super().score(prompts)
            return scores

    engine = Counting(max_tokens=20_000)
    service = start_service(engines={"aligned": engine}, limits={"max_stream_batches": LIMIT})
    # An answer of about 10 kB: labels come back.
    labels = [f"{number:02}" + "x" * 60 for number in range(100)]
    wide = question(options=100, labels=labels)
    sent = 0

    def requests():
        nonlocal sent
        for sent in range(2000):
            yield batch([wide], str(sent), model="models/aligned")

    stream = service.scoring.StreamScore(requests())
    assert next(stream).outcomes[0].answer.options
    eventually(lambda: latest > 1)
    before = -1
    while before != latest:
        before = latest
        after_others(service, question, calls=20)
        assert latest < 1000
    stream.cancel()


@pytest.mark.parametrize("end", ["deadline", "cancellation"])
def test_who_leaves_takes_the_prompts_along(start_service, question, first, end):
    engine = Gated()
    service = start_service(engines={"aligned": engine})
    # A deadline can pass before the engine is asked, on a busy machine: then a longer one.
    for timeout in (1, 4, 16, 64) if end == "deadline" else (None,):
        asked = engine.calls + 2
        stream = service.scoring.StreamScore(iter([first, batch([question()])]), timeout=timeout)
        eventually(lambda: engine.calls == asked or not stream.is_active())  # noqa: B023
        if engine.calls == asked:
            break
    assert engine.calls == asked
    if end == "cancellation":
        stream.cancel()
    eventually(lambda: engine.left == engine.calls)
    expected = {"deadline": "DEADLINE_EXCEEDED", "cancellation": "CANCELLED"}[end]
    assert stream.code() is grpc.StatusCode[expected]
    assert service.score(question(), model="models/base").options


def test_a_stream_that_sends_nothing_is_ended_but_not_while_it_waits_for_answers(
    start_service, question, first, refused
):
    engine = Gated()
    service = start_service(engines={"aligned": engine}, limits={"stream_idle_seconds": 0.2})
    silent = threading.Event()

    def requests():
        yield first
        silent.wait()

    stream = service.scoring.StreamScore(requests())
    engine.wait_for(1)
    time.sleep(1)
    assert stream.is_active()
    engine.answer(0)
    assert next(stream).batch_id == "first"
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED, reason="DEADLINE"):
        next(stream)
    silent.set()


def test_a_stream_whose_caller_takes_no_answer_leaves_its_place_to_others(
    start_service, question, first
):
    engine = Gated()
    limits = {"stream_idle_seconds": 0.2, "max_concurrent_requests": 1}
    service = start_service(engines={"aligned": engine}, limits=limits)
    no_window = struct.pack(">HI", 4, 0)
    request = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers(path=STREAM))
    request += http2.frame(http2.DATA, 0, 1, http2.message(first.SerializeToString()))
    port = int(service.app.address.rpartition(":")[2])
    with closing(http2.connect(port, settings=no_window)) as reads_nothing:
        reads_nothing.sendall(request)
        engine.wait_for(1)
        with pytest.raises(grpc.RpcError, match="works on 1 requests already"):
            service.score(question(), model="models/base")
        engine.answer(0)
        eventually(lambda: is_answered(service, question()))


def is_answered(service, question):
    try:
        return bool(service.score(question, model="models/base").options)
    except grpc.RpcError:
        return False


def test_bytes_that_are_no_message_end_the_stream(service, first):
    contents = iter([first.SerializeToString(), b"\x0a\xff\xff"])
    with pytest.raises(grpc.RpcError) as caught:
        list(service.channel.stream_stream(STREAM)(contents))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def large(question, name, **settings):
    """A message of about 0.4 MiB."""
    questions = [question(f"{name} {number} {'word ' * 80}") for number in range(900)]
    return batch(questions, name, **settings)


def test_streams_hold_no_more_than_the_limit_and_a_message_each(start_service, question, refused):
    engine = Gated()
    service = start_service(engines={"aligned": engine}, limits=ONE_MIB)
    sent = [large(question, str(number), model="models/aligned") for number in range(8)]
    assert 0.3 < sent[0].ByteSize() / 2**20 < 0.5
    first = service.scoring.StreamScore(iter(sent))
    engine.wait_for(3)
    after_others(service, question)
    assert engine.calls == 3, "the fourth message stays unread"

    second = service.scoring.StreamScore(iter(sent[:2]))
    engine.wait_for(1)
    after_others(service, question)
    assert engine.calls == 4, "who holds nothing reads a message, and no other"

    part = calibration_pb2.StreamFitCalibratorRequest()
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_BYTES"):
        list(service.calibration.StreamFitCalibrator(iter([part])))

    for call in range(10):
        if call > 3:
            engine.wait_for(1)
        engine.answer(call)
    assert {each.batch_id for each in first} == {str(number) for number in range(8)}
    assert {each.batch_id for each in second} == {"0", "1"}


def test_a_stream_that_is_left_holds_nothing_more(start_service, question):
    engine = Gated()
    service = start_service(engines={"aligned": engine}, limits=ONE_MIB)
    sent = [large(question, str(number), model="models/aligned") for number in range(4)]
    left = service.scoring.StreamScore(iter(sent))
    engine.wait_for(3)
    left.cancel()
    eventually(lambda: engine.left == 3)
    others = service.scoring.StreamScore(iter(sent))
    engine.wait_for(3)
    for call in range(3, 7):
        if call > 5:
            engine.wait_for(1)
        engine.answer(call)
    assert len(list(others)) == 4


def test_a_stream_that_is_left_while_its_answers_wait_holds_nothing(start_service, question):
    service = start_service(limits=ONE_MIB)
    labels = [f"{number:02}{'x' * 60}" for number in range(100)]
    wide = [question(options=100, labels=labels)] * 10
    message = batch(wide, model="models/aligned")

    def held():
        return service.app.metrics.registry.get_sample_value("trueodds_stream_bytes")

    for _ in range(20):
        unread = service.scoring.StreamScore(itertools.repeat(message, 50))
        next(unread)
        unread.cancel()
    eventually(lambda: held() == 0)
    after_others(service, question)
    assert held() == 0
