"""What a call has returned survives the death of its process."""

import signal

import pytest
from sqlalchemy import text

from trueodds_service.store import SqlCalibratorStore, upgrade
from trueodds_service.store.database import Database


@pytest.mark.parametrize("accepted", [1, 7, 20])
def test_nothing_accepted_is_lost_when_the_writer_is_killed(url, start_writer, accepted):
    writer = start_writer(url, threads=2, count=10_000)
    told = [writer.stdout.readline() for _ in range(accepted)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    # The kill may cut the last line short; a line that ends was printed after its activation.
    told += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    upgrade(url)
    store = SqlCalibratorStore(url)
    kept = {
        str(row.sequence): row.calibrator_id
        for calibrator in store.list("demo-aligned", page_size=1).calibrators
        for row in store.history(calibrator.scope)
    }
    for line in told:
        sequence, calibrator_id = line.split()
        assert kept[sequence] == calibrator_id
        assert store.get("demo-aligned", calibrator_id).id == calibrator_id
    # Nor is anything half there.
    assert sorted(map(int, kept)) == list(range(1, store.version() + 1))


def test_a_commit_waits_for_the_disk_and_references_are_held(sqlite_url):
    # A killed process cannot show this, only a power cut could: so the settings are read.
    settings = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10000}
    for session_of in (Database(sqlite_url).reading, Database(sqlite_url).writing):
        with session_of() as session:
            for name, value in settings.items():
                assert session.scalar(text(f"PRAGMA {name}")) == value


def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(postgres_server):
    """The server of the tests is set to answer before that."""
    database = Database(postgres_server.database(postgres_server.migrated))
    with database.reading() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "off"
    with database.writing() as session:
        assert session.scalar(text("SHOW synchronous_commit")) == "on"
    database.close()
