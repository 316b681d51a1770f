"""Several connections of one client, as to several gateways at one address: for both clients."""

from collections import Counter

import pytest

from trueodds import Question
from trueodds._channel import BATCH, MOST_CONNECTIONS
from trueodds._stream.flight import LONGEST_PAUSE
from trueodds._stream.lines import Lines, Lost
from trueodds._transport.blocking import run
from trueodds._transport.pool import Connection, Pool
from trueodds.errors import Unavailable
from trueodds.v1 import scoring_pb2

COUNT = 3


@pytest.fixture
def questions():
    return [Question(f"Is {number} even?", ("yes", "no")) for number in range(5 * BATCH + 3)]


class Call:
    """One that is done when it is told."""

    def add_done_callback(self, callback):
        self.end = lambda: callback(self)


@pytest.fixture
def pool():
    return Pool([Connection(None, name) for name in "abc"])


def began(pool):
    """The connection that a call goes over, and the call."""
    call = Call()
    found = []
    pool.begin(lambda stubs: found.append(stubs) or call)
    return found[0], call


def test_a_call_goes_to_the_connection_with_the_fewest_under_way(pool):
    calls = dict(began(pool) for _ in range(3))
    assert calls.keys() == {*"abc"}
    calls["b"].end()
    name, _ = began(pool)
    assert name == "b"


def test_equals_take_turns(pool):
    used = []
    for _ in range(6):
        with pool.one() as name:
            used.append(name)
    assert used == [*"abcabc"]


def test_a_call_that_could_not_begin_is_not_under_way(pool):
    def fail(_):
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011 (whatever it is)
            pool.begin(fail)
    assert {began(pool)[0] for _ in range(3)} == {*"abc"}


@pytest.mark.parametrize("count", [0, MOST_CONNECTIONS + 1])
def test_a_client_has_at_least_one_and_not_any_number(connect, count):
    with pytest.raises(ValueError, match=f"connections: {count} is not from 1"):
        connect("127.0.0.1:1", connections=count)


def test_calls_are_dealt_out(relay, connect):
    client = connect(relay.address, connections=COUNT)
    for _ in range(2 * COUNT):
        client.model("aligned")
    assert sorted(Counter(relay.asked_by).values()) == [2] * COUNT


def test_one_is_what_a_client_has_unless_told(relay, connect, questions):
    client = connect(relay.address)
    for _ in range(3):
        client.model("aligned")
    list(client.score_stream(questions, model="aligned"))
    assert len({*relay.asked_by, *relay.streamed_by}) == 1


def test_a_stream_goes_over_all_of_them(relay, connect, client, questions):
    found = list(connect(relay.address, connections=COUNT).score_stream(questions, model="aligned"))
    assert found == list(enumerate(client.score_batch(questions, model="aligned")))
    assert len({*relay.streamed_by}) == len(relay.streamed_by) == COUNT
    assert relay.received.count(BATCH) == 5, "nothing was sent twice"


def test_what_was_under_way_on_one_that_breaks_goes_over_the_others(
    relay, connect, client, questions
):
    relay.break_after = [0]
    found = list(connect(relay.address, connections=COUNT).score_stream(questions, model="aligned"))
    assert found == list(enumerate(client.score_batch(questions, model="aligned")))


class Here:
    """A transport of lines that do nothing; what comes is what a test puts into ``came``."""

    connections = 2

    def __init__(self):
        self.lines, self.came = [], []

    def inbox(self):
        return self

    async def get(self, _):
        return self.came.pop(0) if self.came else None

    def line(self, _):
        self.lines.append(Sent())
        return self.lines[-1]


class Sent(list):
    """A line, as a list of what was sent on it."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__
    closed = None

    def send(self, request):
        self.append(request.batch_id)

    def close(self, *, cancel):
        self.closed = cancel

    async def ended(self):
        """At once."""


class TestLines:
    """Of a stream over two connections."""

    @pytest.fixture
    def here(self):
        return Here()

    @pytest.fixture
    def lines(self, here):
        self.now = 0.0
        return Lines(here, clock=lambda: self.now)

    @staticmethod
    def send(lines, *names):
        for name in names:
            lines.send(scoring_pb2.StreamScoreRequest(batch_id=name))

    @staticmethod
    def sent(here):
        return [list(line) for line in here.lines]

    def test_the_one_with_the_fewest_under_way_gets_the_next(self, here, lines):
        self.send(lines, "1", "2", "3", "4")
        assert self.sent(here) == [["1", "3"], ["2", "4"]]
        here.came.append((here.lines[1], scoring_pb2.StreamScoreResponse(batch_id="2")))
        assert run(lines.receive(1.0)).batch_id == "2"
        self.send(lines, "5")
        assert self.sent(here) == [["1", "3"], ["2", "4", "5"]]

    def test_one_that_is_lost_names_what_had_no_answer(self, here, lines):
        self.send(lines, "1", "2", "3")
        gone = Unavailable("gone")
        here.came.append((here.lines[0], gone))
        assert run(lines.receive(1.0)) == Lost(gone, ["1", "3"])
        assert here.lines[0].closed
        here.came.append((here.lines[0], gone))
        assert run(lines.receive(1.0)) is None, "what was given up says so, too"

    def test_one_that_is_lost_is_not_replaced_at_once_where_there_is_another(self, here, lines):
        self.send(lines, "1", "2")
        here.came.append((here.lines[0], Unavailable("gone")))
        run(lines.receive(1.0))
        self.send(lines, "1")
        assert self.sent(here) == [["1"], ["2", "1"]]
        self.now = LONGEST_PAUSE
        self.send(lines, "3")
        assert self.sent(here) == [["1"], ["2", "1"], ["3"]]

    def test_the_last_one_is_replaced_at_once(self, here, lines):
        self.send(lines, "1")
        here.came.append((here.lines[0], Unavailable("gone")))
        run(lines.receive(1.0))
        assert not lines
        self.send(lines, "1")
        assert self.sent(here) == [["1"], ["1"]]
