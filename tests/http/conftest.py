"""The service in this process with its HTTP door open, and clients of it."""

import httpx
import pytest
from tests.conftest import _serving


@pytest.fixture(scope="session")
def service(weights, run, tmp_path_factory):
    """A service that the tests share, over HTTP as well."""
    store = tmp_path_factory.mktemp("http") / "store.sqlite"
    with _serving(weights, run, store, http="127.0.0.1:0") as service:
        yield service


@pytest.fixture
def http(service):
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client
