"""The service in this process with its HTTP door open, and clients of it."""

import httpx
import openai
import pytest
from tests.conftest import _serving


@pytest.fixture(scope="session")
def service(weights, run, tmp_path_factory):
    """A service that the tests share, over HTTP as well.

    Of a fake engine's 4,096 tokens no few hold much of the probability: nothing is refused for it.
    """
    store = tmp_path_factory.mktemp("http") / "store.sqlite"
    settings = {"http": "127.0.0.1:0", "decisions": {"min_option_mass": 0}, "max_tokens": 8192}
    with _serving(weights, run, store, **settings) as service:
        yield service


@pytest.fixture
def http(service):
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture
def client(service):
    """OpenAI's own, which tries nothing again."""
    with openai.OpenAI(
        base_url=f"{service.url}/v1", api_key="none", max_retries=0, timeout=30
    ) as client:
        yield client


@pytest.fixture
def urgent(task):
    return {"type": "predicate", "name": task, "instructions": "Is it urgent?"}


@pytest.fixture
def team(task):
    choices = [{"value": "billing"}, {"value": "sales"}, {"value": False}]
    return {"type": "choice", "name": task, "instructions": "Whose is it?", "choices": choices}
