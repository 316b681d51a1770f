"""What the tests of processes that are not processes share."""

import pytest

from trueodds_service.edge import logs


@pytest.fixture(autouse=True)
def writes_no_logs(monkeypatch):
    """The loggers are this process's, and those of the tests after these."""
    monkeypatch.setattr(logs, "write", lambda *_: None)
