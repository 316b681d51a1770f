"""Questions at a slow server, with a clock of the test's own: they all go through."""

from collections import Counter

import pytest
from google.rpc import code_pb2, status_pb2

from trueodds import DeadlineExceeded
from trueodds._channel import BATCH, STREAM_WINDOW, WINDOW
from trueodds._stream.batches import Batches
from trueodds._stream.flight import Flight
from trueodds._stream.pace import Pace
from trueodds.v1 import question_pb2, scoring_pb2

TIMEOUT = 120.0
LATE = DeadlineExceeded("late")
WRONG = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT)


class Server:
    """Answers message after message, ``seconds`` a question; forgets what is cancelled."""

    def __init__(self, seconds):
        self.seconds, self.now, self.free = seconds, 0.0, 0.0

    def __call__(self):
        return self.now

    def send(self, request):
        self.free = max(self.free, self.now) + self.seconds * len(request.questions)
        return Call(self, request, self.now + TIMEOUT, self.free)


class Call:
    def __init__(self, server, request, deadline, ready):
        self.server, self.request, self.deadline, self.ready = server, request, deadline, ready

    def result(self):
        self.server.now = max(self.server.now, min(self.ready, self.deadline))
        if self.ready > self.deadline:
            self.server.free = self.server.now
            raise LATE
        return [question.text for question in self.request.questions]

    def cancel(self):
        pass


def questions(first, count):
    return [question_pb2.Question(text=str(first + place)) for place in range(count)]


def messages(count, kind):
    for first in range(0, count, BATCH):
        yield kind(questions=questions(first, min(BATCH, count - first)))


def batched(server, count):
    batches = Batches(
        messages(count, scoring_pb2.BatchScoreRequest),
        server.send,
        Pace(WINDOW, TIMEOUT),
        clock=server,
    )
    answered = []
    while (call := batches.next()) is not None:
        try:
            answered += call.result()
        except DeadlineExceeded as error:
            batches.too_slow(error)
        else:
            batches.answered()
    return answered


def streamed(server, count):
    """As ``stream_batches`` does it: too long a wait for the next answer breaks the stream."""
    flight = Flight(STREAM_WINDOW, 300.0, ordered=True, timeout=TIMEOUT, clock=server)
    source = messages(count, scoring_pb2.StreamScoreRequest)
    under_way, answered = [], []
    while True:
        under_way += map(server.send, flight.again())
        while flight.has_room and (request := next(source, None)) is not None:
            under_way.append(server.send(flight.add(None, request)))
        if not flight:
            return answered
        call = under_way[0]
        call.deadline = server.now + TIMEOUT
        try:
            call.result()
        except DeadlineExceeded as error:
            flight.lost(error)
            under_way, server.free = [], server.now
            continue
        del under_way[0]
        outcomes = [
            # Each with its question's number, to see that all are there and in their order.
            scoring_pb2.Outcome(answer={"prompt_tokens": int(question.text)})
            for question in call.request.questions
        ]
        response = scoring_pb2.StreamScoreResponse(
            batch_id=call.request.batch_id, outcomes=outcomes
        )
        for _, each in flight.answered(response):
            answered += [str(outcome.answer.prompt_tokens) for outcome in each.outcomes]


@pytest.mark.parametrize("ask", [batched, streamed])
@pytest.mark.parametrize("seconds", [0.001, 0.5, 3.0, 20.0, 100.0])
def test_a_slow_server_answers_all_questions_in_their_order(ask, seconds):
    server = Server(seconds)
    assert ask(server, 400) == [str(number) for number in range(400)]
    # What was sent in vain costs a few timeouts, not a share of the work.
    assert server.now <= 400 * seconds + 5 * TIMEOUT


@pytest.mark.parametrize("ask", [batched, streamed])
def test_a_question_that_alone_takes_too_long_is_an_error(ask):
    with pytest.raises(DeadlineExceeded):
        ask(Server(TIMEOUT + 1), 400)


def test_a_fast_server_gets_whole_messages():
    sizes = Counter()

    class Watched(Server):
        def send(self, request):
            sizes[len(request.questions)] += 1
            return super().send(request)

    batched(Watched(0.001), 4 * BATCH)
    assert sizes == {BATCH: 4}


def test_messages_grow_again_when_the_server_is_fast_again():
    pace = Pace(WINDOW, TIMEOUT)
    assert pace.slower(128)
    assert (pace.size, pace.window) == (32, 1)
    pace.answered(TIMEOUT / 2)
    assert (pace.size, pace.window) == (32, 1), "twice as many would be too many"
    pace.answered(TIMEOUT / 5)
    assert (pace.size, pace.window) == (64, 1)
    pace.answered(TIMEOUT / 100)
    assert (pace.size, pace.window) == (128, WINDOW)


# On gRPC


def test_what_a_server_does_not_answer_in_time_goes_in_smaller_messages(
    connect, slow_server, service, ask
):
    slow_server.most = 3
    asked = [ask(f"{number}?") for number in range(20)]
    client, direct = connect(slow_server.address), connect(service.app.address)
    answers = client.score_batch(asked, model="aligned")
    expected = direct.score_batch(asked, model="aligned")
    assert [each.confidence for each in answers] == pytest.approx(
        [each.confidence for each in expected], abs=1e-9
    )
    streamed = list(client.score_stream(asked, model="aligned"))
    assert [index for index, _ in streamed] == list(range(20))
    assert [each.confidence for _, each in streamed] == pytest.approx(
        [each.confidence for each in expected], abs=1e-9
    )


def test_outcomes_are_told_as_they_come(connect, slow_server, ask):
    """What came before a message that fails for good is not lost."""
    slow_server.most = 3
    slow_server.fail_at = 10
    told = []
    with pytest.raises(DeadlineExceeded):
        connect(slow_server.address).score_batch(
            [ask(f"{number}?") for number in range(20)],
            model="aligned",
            on_outcome=lambda index, outcome: told.append(index),
        )
    assert told == list(range(10))


@pytest.mark.parametrize("own", [None, 0.001])
def test_a_call_has_a_timeout_of_its_own(connect, stuck, ask, own):
    service, _ = stuck
    client = connect(service.app.address, timeout=0.001 if own is None else 600)
    with pytest.raises(DeadlineExceeded):
        client.score(ask(), model="aligned", timeout=own)
