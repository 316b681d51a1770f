"""What comes to a socket of ZeroMQ, which tells of it once, to whoever calls it next."""

import asyncio
import time

import pytest
import zmq

from trueodds_service.engine.link.inbox import Inbox


@pytest.fixture
def pair(tmp_path):
    context = zmq.Context()
    sockets = [context.socket(zmq.PAIR) for _ in range(2)]
    sockets[0].bind(f"ipc://{tmp_path}/socket")
    sockets[1].connect(f"ipc://{tmp_path}/socket")
    yield sockets
    context.destroy(linger=0)


async def test_what_came_before_something_was_sent_is_taken(pair):
    here, there = pair
    taken = asyncio.Queue()
    inbox = Inbox(here, taken.put_nowait)
    there.send_multipart([b"hello", b""])
    await taken.get()
    there.send_multipart([b"1"])
    there.send_multipart([b"2"])
    time.sleep(0.1)  # noqa: ASYNC251 (the event loop is not to hear of it before it sends)
    inbox.send([b"well"])
    assert [await taken.get(), await taken.get()] == [[b"1"], [b"2"]]
    assert there.recv() == b"well"
    inbox.close()


async def test_it_hears_of_what_comes_within_a_process(pair):
    """As of the end of a connection, which ZeroMQ tells a socket that never sends."""
    context = pair[0].context
    here, there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    there.bind("inproc://events")
    here.connect("inproc://events")
    taken = asyncio.Queue()
    inbox = Inbox(here, taken.put_nowait)
    await asyncio.sleep(0.01)
    there.send(b"it ended")
    assert await asyncio.wait_for(taken.get(), 60) == [b"it ended"]
    inbox.close()


async def test_who_takes_a_message_may_close_it(pair):
    here, there = pair
    taken = asyncio.Queue()

    def take(frames):
        taken.put_nowait(frames)
        inbox.close()

    inbox = Inbox(here, take)
    for number in (b"1", b"2"):
        there.send(number)
    assert await taken.get() == [b"1"]
    assert here.closed
    inbox.close()
    assert taken.empty()


async def test_who_sends_much_at_once_leaves_the_event_loop_to_others(pair):
    here, there = pair
    here.rcvhwm = there.sndhwm = 0
    for _ in range(1000):
        there.send(b"one of many")
    time.sleep(0.1)  # noqa: ASYNC251 (all of it is to be there)
    taken = asyncio.Queue()
    inbox = Inbox(here, taken.put_nowait)
    turns = 0
    while taken.qsize() < 1000:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    inbox.close()
