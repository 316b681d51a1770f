"""Whether a node is gone, by what Ray says of it and by asking it."""

import errno
import socket

import pytest
from ray.exceptions import RaySystemError

from trueodds_service.serving import nodes


@pytest.fixture
def knows(monkeypatch):
    """Has Ray know one node, ``n``, at a port."""
    monkeypatch.setattr(nodes, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(nodes.ray, "is_initialized", lambda: True)

    def knows(port, *, alive=True):
        known = {"NodeID": "n", "Alive": alive, "NodeManagerAddress": "127.0.0.1"}
        monkeypatch.setattr(nodes.ray, "nodes", lambda: [known | {"NodeManagerPort": port}])

    return knows


def test_one_that_answers_lives(knows):
    with socket.create_server(("127.0.0.1", 0)) as server:
        knows(server.getsockname()[1])
        assert not nodes.is_gone("n")
        knows(server.getsockname()[1], alive=False)
        assert nodes.is_gone("n")
        assert nodes.is_gone("another")


def test_one_that_refuses_is_gone_though_ray_does_not_know_yet(knows):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    knows(port)
    assert nodes.is_gone("n")


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (TimeoutError(), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (OSError(errno.EMFILE, "too many open files"), False),
    ],
)
def test_what_goes_wrong_here_tells_nothing_of_a_node(knows, monkeypatch, error, gone):
    def fail(*_):
        raise error

    knows(1)
    monkeypatch.setattr(nodes.socket, "create_connection", fail)
    assert nodes.is_gone("n") == gone


def test_where_nobody_knows_none_is_gone(knows, monkeypatch):
    def fail():
        raise RaySystemError(Exception("away"))

    knows(1)
    monkeypatch.setattr(nodes.ray, "nodes", fail)
    assert not nodes.is_gone("n")
    monkeypatch.setattr(nodes.environment, "keeps_to_this_machine", lambda: True)
    assert not nodes.is_gone("n")
    monkeypatch.setattr(nodes.ray, "is_initialized", lambda: False)
    assert not nodes.is_gone("n")
