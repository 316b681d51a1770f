"""`trueodds serve` refuses what cannot work before Ray and vLLM start."""

import socket
from contextlib import nullcontext

import pytest
import yaml

from trueodds_service.errors import StartError
from trueodds_service.serving import local, main


@pytest.fixture
def serve(tmp_path, weights, monkeypatch, capsys):
    """Runs it on an address; its exit status and what it said on stderr."""
    monkeypatch.setattr(main, "end_on_signals", lambda: None)

    def serve(listen):
        path = tmp_path / "serve.yaml"
        models = [{"name": "model", "weights": str(weights), "engine": {"backend": "fake"}}]
        path.write_text(yaml.safe_dump({"listen": listen, "models": models}))
        return main.run(path), capsys.readouterr().err

    return serve


def test_an_address_in_use_is_named(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, said = serve(address)
    assert status == 1
    assert said == f"error: listen: {address}: cannot be listened on (Address already in use)\n"


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "nowhere.invalid:50051", "[::g]:50051"])
def test_an_address_of_another_machine_is_named(serve, address):
    status, said = serve(address)
    assert status == 1
    assert said.startswith(f"error: listen: {address}: cannot be listened on (")


class Running:
    """A service whose states are ``told`` one after the other, and then a signal comes."""

    address = "[::1]:50051"

    def __init__(self, *told):
        self._told = iter(told)

    def states(self):
        for states in self._told:
            if isinstance(states, Exception):
                raise states
            return states
        raise SystemExit


@pytest.fixture
def serving(monkeypatch):
    """Makes `serve` run that service."""

    def serving(*told):
        monkeypatch.setattr(local, "serving", lambda _: nullcontext(Running(*told)))
        monkeypatch.setattr(main, "stop_on_signals", lambda _: None)
        monkeypatch.setattr(main, "_POLL_SECONDS", 0.0)

    return serving


def test_a_signal_is_a_good_end(serve, serving):
    serving({"model": ("READY", "")})
    assert serve("127.0.0.1:0") == (0, "")


def test_where_every_model_has_failed_it_ends_with_the_causes(serve, serving):
    serving({"a": ("FAILED", "no memory"), "b": ("FAILED", "no file")})
    told = "error: the service did not come up\n  a: no memory\n  b: no file\n"
    assert serve("127.0.0.1:0") == (1, told)


def test_one_model_that_comes_up_is_served(serve, serving):
    serving({"a": ("FAILED", "no memory"), "b": ("READY", "")})
    assert serve("127.0.0.1:0") == (0, "")


def test_where_no_gateway_is_left_it_ends_with_a_status(serve, serving):
    lost = {"a": ("LOST", "no gateway answers; they are being replaced")}
    serving({"a": ("READY", "")}, lost, StartError("the service has ended: why"))
    ended = serve("127.0.0.1:0")
    assert ended == (1, "error: the service has ended: why\n")
