"""`trueodds serve` refuses what cannot work before Ray and vLLM start."""

import socket

import pytest
import yaml

from trueodds_service.serving import main
from trueodds_service.serving.address import free_address


@pytest.fixture
def serve(tmp_path, weights, monkeypatch, capsys):
    """Runs it on an address; its exit status and what it said on stderr."""
    monkeypatch.setattr(main, "_end_on_signals", lambda: None)

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
    assert said == f"error: listen: {address} cannot be listened on (Address already in use)\n"


@pytest.mark.parametrize("address", ["192.0.2.1:50051", "nowhere.invalid:50051", "[::g]:50051"])
def test_an_address_of_another_machine_is_named(serve, address):
    status, said = serve(address)
    assert status == 1
    assert said.startswith(f"error: listen: {address} cannot be listened on (")


def test_port_0_becomes_a_port_that_stays():
    host, _, port = free_address("127.0.0.1:0").rpartition(":")
    assert host == "127.0.0.1"
    assert 0 < int(port) < 2**16
    assert free_address(f"{host}:{port}") == f"{host}:{port}"
