"""Whom a cluster of others lets in, before the service runs there."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
from ray.exceptions import AuthenticationError

from trueodds_service.config import Settings
from trueodds_service.errors import StartError
from trueodds_service.serving import cluster
from trueodds_service.serving.ray_access import answers_anybody


class Control(grpc.GenericRpcHandler):
    """Ray's control service, as far as it is asked; with a token it is asked for, or without."""

    def __init__(self, *, wants_token):
        self._wants_token = wants_token

    def service(self, handler_call_details):
        assert handler_call_details.method == "/ray.rpc.NodeInfoGcsService/CheckAlive"

        def answer(_request, context):
            if self._wants_token:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def start_control():
    servers = []

    def start(*, wants_token):
        server = grpc.server(ThreadPoolExecutor(1), [Control(wants_token=wants_token)])
        servers.append(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)


@pytest.mark.parametrize("wants_token", [True, False])
def test_who_shows_no_token_is_answered_or_not(start_control, wants_token):
    assert answers_anybody(start_control(wants_token=wants_token)) is not wants_token


@pytest.fixture
def join(monkeypatch, start_control):
    """Runs a service on a Ray that asks for a token, or asks nobody, up to where it would start."""

    def join(*, wants_token, mode):
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        address = start_control(wants_token=wants_token)
        context = SimpleNamespace(gcs_address=address)
        monkeypatch.setattr(cluster.ray, "init", lambda **_: None)
        monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
        monkeypatch.setattr(cluster.ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(cluster.node_folders, "check", lambda models: None)
        monkeypatch.setattr(cluster.serve, "start", lambda **_: (_ for _ in ()).throw(Started))
        with cluster.serving(Settings(models=[{"name": "m", "weights": "w"}]), address):
            pass

    return join


class Started(Exception):
    """It has got so far."""


@pytest.mark.parametrize(("wants_token", "mode"), [(True, "token"), (False, "disabled")])
def test_a_cluster_that_is_closed_or_said_to_be_open_is_joined(join, wants_token, mode):
    with pytest.raises(Started):
        join(wants_token=wants_token, mode=mode)


def test_a_cluster_that_is_open_is_refused(join):
    with pytest.raises(StartError, match=r"lets in everybody who can reach it: .*RAY_AUTH_MODE"):
        join(wants_token=False, mode="token")


def test_a_token_that_is_missing_is_told(join, monkeypatch):
    def init(**_):
        raise AuthenticationError("Token authentication is enabled but Ray has no token")

    with pytest.raises(Started):
        join(wants_token=True, mode="token")
    monkeypatch.setattr(cluster.ray, "init", init)
    with (
        pytest.raises(StartError, match=r"10\.0\.0\.1:6379 cannot be joined .Token authentication"),
        cluster.serving(Settings(models=[{"name": "m", "weights": "w"}]), "10.0.0.1:6379"),
    ):
        pass
