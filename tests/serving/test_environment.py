"""What Ray and vLLM find in the environment when they are imported and started."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from trueodds_service.serving import environment
from trueodds_service.serving.reaper import reaped


@pytest.fixture
def temporary(monkeypatch):
    """Makes a folder the one of temporary files, as TMPDIR does for a process that starts."""
    for name in ("RAY_TMPDIR", "VLLM_RPC_BASE_PATH"):
        monkeypatch.delenv(name, raising=False)

    def temporary(folder):
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))

    return temporary


def test_what_the_operator_has_set_is_kept(monkeypatch):
    monkeypatch.setitem(os.environ, "RAY_USAGE_STATS_ENABLED", "1")
    environment.prepare()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    assert float(os.environ["RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S"]) > 1


def test_a_ray_of_our_own_keeps_to_loopback_and_has_a_token_of_its_own(monkeypatch):
    monkeypatch.setitem(os.environ, "RAY_AUTH_MODE", "disabled")
    monkeypatch.setitem(os.environ, "RAY_AUTH_TOKEN", "of another Ray")
    assert not environment.keeps_to_this_machine()
    environment.keep_to_this_machine()
    assert environment.keeps_to_this_machine()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    first = os.environ["RAY_AUTH_TOKEN"]
    environment.keep_to_this_machine()
    assert len({"of another Ray", first, os.environ["RAY_AUTH_TOKEN"]}) == 3
    code = "from ray._private import services; print(services.get_node_ip_address())"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "127.0.0.1\n"


@pytest.mark.parametrize(("said", "meant"), [(None, "token"), ("disabled", "disabled")])
def test_a_ray_of_others_is_shown_a_token_unless_the_operator_says_no(said, meant):
    os.environ.pop("RAY_AUTH_MODE", None)
    if said:
        os.environ["RAY_AUTH_MODE"] = said
    environment.show_a_token()
    assert os.environ["RAY_AUTH_MODE"] == meant
    assert not environment.keeps_to_this_machine()


def test_serve_waits_for_a_busy_directory_without_a_word():
    """It reads its environment once, at import: what is imported before must not import it."""
    code = (
        "import os, sys, trueodds_service.serving.main\n"
        "from trueodds_service.serving import environment\n"
        "environment.prepare()\n"
        "from ray.serve._private import constants\n"
        "print(constants.RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ended.stdout) >= 5


def test_a_long_folder_of_temporary_files_is_not_for_sockets(temporary, tmp_path):
    temporary(tmp_path / ("long" * 25))
    environment.prepare()
    assert os.environ["RAY_TMPDIR"] == os.environ["VLLM_RPC_BASE_PATH"] == "/tmp"  # noqa: S108
    with reaped() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / f"{2**63:x}"))
        assert folder.stat().st_mode & 0o077 == 0, "of this user alone"
    assert not folder.exists()


def test_a_short_one_is(temporary):
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        temporary(Path(short))
        environment.prepare()
        assert "RAY_TMPDIR" not in os.environ
        with reaped() as folder:
            assert folder.parent == Path(short)
