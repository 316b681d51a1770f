"""The folder of a node's sockets is this user's alone."""

import tempfile

import pytest

from trueodds_service.errors import StartError
from trueodds_service.serving import sockets
from trueodds_service.serving.sockets import node_folder

NODE = "c0ffee" * 8


@pytest.fixture(autouse=True)
def root(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as root:
        monkeypatch.setattr(sockets, "socket_root", lambda: root)
        yield root


def test_it_is_made_once_and_for_this_user():
    folder = node_folder(NODE)
    assert folder == node_folder(NODE) != node_folder("b0bafe" * 8)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_one_that_others_can_enter_is_refused():
    node_folder(NODE).chmod(0o755)
    with pytest.raises(StartError, match="is no folder of this user alone"):
        node_folder(NODE)


def test_what_leads_elsewhere_is_refused(tmp_path):
    folder = node_folder(NODE)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(StartError, match="is no folder of this user alone"):
        node_folder(NODE)
