"""Serve's own port of each replica."""

import pytest
from ray.serve._private import replica as serve_replica

from trueodds_service.serving import environment
from trueodds_service.serving.loopback import keep_serve_to_this_machine


@pytest.fixture
def opened(monkeypatch):
    """Where Serve opens ports."""
    addresses = []

    def add(_server, address):
        addresses.append(address)
        return 1

    monkeypatch.setattr(serve_replica, "add_port_to_grpc_server", add)
    return addresses


def open_as_serve_does():
    return serve_replica.add_port_to_grpc_server(None, "[::]:0")


def test_a_ray_of_our_own_has_it_on_loopback(opened):
    environment.keep_to_this_machine()
    keep_serve_to_this_machine()
    assert open_as_serve_does() == 1
    assert opened == ["127.0.0.1:0"]


def test_on_a_cluster_it_is_where_other_nodes_reach_it(opened):
    keep_serve_to_this_machine()
    open_as_serve_does()
    assert opened == ["[::]:0"]
