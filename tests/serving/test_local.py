"""How Ray is started for the service, with a double in its place."""

import itertools
import logging
from types import SimpleNamespace

import pytest

from trueodds_service.config import Settings
from trueodds_service.errors import StartError
from trueodds_service.serving import local


@pytest.fixture
def ray(monkeypatch):
    """Ray as far as the service asks for it. It fails so many times before it starts."""
    double = SimpleNamespace(failures=0, inits=[], starts=[], shutdowns=0, is_up=False)
    attempts = itertools.count(1)

    def init(**kwargs):
        double.inits.append(kwargs)
        if next(attempts) <= double.failures:
            raise TimeoutError("no answer\nand a paragraph")
        double.is_up = True
        return SimpleNamespace(address_info={"session_dir": "/tmp/ray/session"})  # noqa: S108

    def shutdown():
        double.is_up = False
        double.shutdowns += 1

    monkeypatch.setattr(local.ray, "init", init)
    monkeypatch.setattr(local.ray, "shutdown", shutdown)
    monkeypatch.setattr(local.ray, "is_initialized", lambda: double.is_up)
    monkeypatch.setattr(local.ray, "cluster_resources", dict)
    monkeypatch.setattr(local.ray, "nodes", list)
    monkeypatch.setattr(local.serve, "start", lambda **kwargs: double.starts.append(kwargs))
    monkeypatch.setattr(local, "_silence_ray", lambda: None)
    return double


@pytest.fixture
def settings(tmp_path):
    models = [{"name": "model", "weights": "weights", "engine": {"backend": "fake"}}]
    return Settings.model_validate({"store": f"sqlite:///{tmp_path}/s", "models": models})


def test_ray_is_our_own_and_says_and_shows_nothing(ray):
    assert local._start_ray() == "/tmp/ray/session"  # noqa: S108
    [asked] = ray.inits
    assert asked["address"] == "local"
    assert asked["include_dashboard"] is False
    assert asked["log_to_driver"] is False
    [started] = ray.starts
    assert started["proxy_location"] == local.ProxyLocation.Disabled
    assert started["logging_config"].enable_access_log is False


def test_ray_has_a_second_attempt_and_no_third(ray):
    ray.failures = 1
    local._start_ray()
    assert (len(ray.inits), ray.shutdowns) == (2, 1)
    ray.failures = 4
    with pytest.raises(StartError, match=r"the second time either: TimeoutError: no answer$"):
        local._start_ray()
    assert (len(ray.inits), ray.shutdowns) == (4, 3)


def test_a_service_that_does_not_come_up_tells_where_its_logs_are(
    ray, settings, tmp_path, monkeypatch
):
    def run_many(*_, **__):
        raise StartError("the service did not come up")

    monkeypatch.setattr(local.serve, "run_many", run_many)
    monkeypatch.setattr(logging.getLogger("ray.serve"), "level", logging.INFO)
    told = "the service did not come up\n  the logs of its processes: /tmp/ray/session/logs"
    with pytest.raises(StartError) as caught, local._serving(settings, tmp_path):
        pass
    assert caught.value.message == told
    assert not ray.is_up
    assert logging.getLogger("ray.serve").level == logging.WARNING, "its notes are not ours"
