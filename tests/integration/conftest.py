"""One real service for the whole session: vLLM under Ray Serve, asked over gRPC."""

from collections.abc import Iterator

import pytest

from trueodds import Client
from trueodds_demo.service import demo_config, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `trueodds serve` with the demo pair, once both engines answer."""
    with running(demo_config(tmp_path_factory.mktemp("service"))) as address:
        with Client(address) as client:
            client.wait_until_ready()
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client
