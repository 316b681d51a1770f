"""What any released version has written is there after an upgrade, and works.

``revisions/`` holds a database of each revision, as SQLite's ``.dump`` and PostgreSQL's
``pg_dump --inserts`` tell it. A new revision brings its own.
"""

import sqlite3
import struct
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from trueodds_service.caller import Permission
from trueodds_service.store import (
    Action,
    Candidate,
    FitRequest,
    Prior,
    Selection,
    SqlAlertStore,
    SqlCalibratorStore,
    SqlCheckStore,
    SqlKeyStore,
    SqlOutcomeStore,
    StoreError,
    audit_log,
    make_if_new,
    upgrade,
)
from trueodds_service.store.database import open_engine
from trueodds_service.store.tables import Row
from trueodds_service.store.upgrade import migration_config

REVISIONS = Path(__file__).with_name("revisions")


@pytest.fixture
def old_url(kind, new_url, tmp_path, behind_of):
    """Makes the URL of a database that a revision of the service has written."""

    def old_url(revision):
        content = (REVISIONS / f"{kind}-{revision}.sql").read_text()
        if kind == "sqlite":
            with closing(sqlite3.connect(tmp_path / "store.db")) as database:
                database.executescript(content)
            return f"sqlite:///{tmp_path}/store.db"
        url = new_url()
        behind_of(url)(content)
        return url

    return old_url


def test_there_is_a_database_of_each_revision(kind, new_migrated_url):
    engine = open_engine(new_migrated_url())
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(migration_config(connection))
    engine.dispose()
    released = {each.revision for each in script.walk_revisions()}
    assert {
        path.stem.removeprefix(f"{kind}-") for path in REVISIONS.glob(f"{kind}-*.sql")
    } == released


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006"])
def test_calibrators_keep_their_ids_and_answer(old_url, make, revision):
    url = old_url(revision)
    upgrade(url)
    store = SqlCalibratorStore(url)
    default, task = make(), make(0.1 + 0.2, task="anatomy")
    kept = {each.id: each for each in store.list("demo-aligned", page_size=10).calibrators}
    assert kept[default.id] == default
    assert kept[task.id] == task
    assert store.active(task.scope) == task
    version = store.version()
    assert store.put(make()).created_at == default.created_at, "it is the one that is kept"
    assert store.put(make(1.1)).id == make(1.1).id
    assert store.activate("demo-aligned", default.id).sequence == version + 1
    store.close()


@pytest.mark.parametrize("revision", ["0001", "0005"])
def test_an_operators_command_leaves_an_older_store_to_the_service(old_url, revision):
    url = old_url(revision)
    with pytest.raises(StoreError, match="are not those of this version"):
        make_if_new(url)


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006"])
def test_an_upgraded_database_has_the_tables_of_a_new_one(old_url, revision):
    url = old_url(revision)
    upgrade(url)
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Row.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("revision", ["0002", "0003", "0004", "0005", "0006"])
def test_all_that_the_second_revision_knows_is_kept(old_url, make, revision):
    url = old_url(revision)
    upgrade(url)
    store = SqlCalibratorStore(url)
    rich = replace(
        make(2.0, task="law"),
        method="vector",
        parameters={"scale": (1, 2.5), "bias": (-0.5, 0)},
        fallback="temperature: too few items",
        selection=Selection(
            "nll, 5-fold",
            "the least",
            (Candidate("vector", 0.7, 0.01), Candidate("kde", None, None, "few")),
        ),
        keeps_choice=False,
        bias_correction="batch",
        provenance=replace(
            make().provenance,
            labelled=500,
            teacher_reading="text",
            prior=Prior(0.7, 0.2, ("0f", "1f")),
            prompts_hash="ab",
        ),
    )
    assert store.active(rich.scope) == rich, "after a rollback"
    assert [row.parent for row in store.history(rich.scope)] == [None, 2, None]
    task, deleted = make(0.1 + 0.2, task="anatomy"), make(4.0, task="gone")
    assert store.fitted_by(FitRequest("nightly-7", "a hash")) == task
    kept = store.list("demo-aligned", page_size=10).calibrators
    assert deleted.id not in {each.id for each in kept}
    assert store.put(deleted) == deleted
    store.close()


@pytest.mark.parametrize("revision", ["0003", "0004", "0005", "0006"])
def test_all_that_the_third_revision_knows_is_kept(old_url, make, acting_for, revision):
    url = old_url(revision)
    upgrade(url)
    store, keys = SqlCalibratorStore(url), SqlKeyStore(url)
    theirs = make(tenant="acme")
    with acting_for("acme"):
        assert store.active(theirs.scope) == theirs
        assert store.fitted_by(FitRequest("nightly-7", "another hash")) == theirs
    nightly, revoked = keys.all()
    assert (nightly.name, nightly.tenant, nightly.permissions) == (
        *("nightly", "acme"),
        {Permission.SCORE, Permission.FIT},
    )
    assert nightly.expires_at == datetime(2027, 3, 1, tzinfo=UTC)
    assert revoked.revoked_at is not None
    assert [each.action for each in audit_log(url)] == [
        *(Action.FIT, Action.ACTIVATE, Action.CREATE_KEY, Action.CREATE_KEY, Action.REVOKE_KEY)
    ]
    store.close()
    keys.close()


@pytest.mark.parametrize("revision", ["0004", "0005", "0006"])
def test_all_that_the_fourth_revision_knows_is_kept(old_url, revision):
    url = old_url(revision)
    upgrade(url)
    outcomes = SqlOutcomeStore(url)
    [kept] = outcomes.of_calibrator("0123456789abcdef")
    assert (kept.choice, kept.option) == (1, 2)
    assert struct.unpack("<4f", kept.calibrated) == pytest.approx((0.2, 0.4, 0.2, 0.2))
    assert kept.answered_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert len(outcomes.seal()) == 32
    outcomes.close()


@pytest.mark.parametrize("revision", ["0005", "0006"])
def test_all_that_the_fifth_revision_knows_is_kept(old_url, make, revision):
    url = old_url(revision)
    upgrade(url)
    alerts, outcomes = SqlAlertStore(url), SqlOutcomeStore(url)
    calibrator = make(0.1 + 0.2, task="anatomy")
    [told] = alerts.page("demo-aligned", calibrator.id, page_size=10).alerts
    assert (told.alert.test, told.alert.scope) == ("too_high", calibrator.scope)
    assert (told.alert.log_evidence, told.alert.through) == (5.25, 121)
    assert told.alert.created_at == datetime(2026, 11, 29, tzinfo=UTC)
    assert told.proposal.differences == {"brier": (-0.1, -0.15, -0.05)}
    assert not told.proposal.is_waiting
    assert not alerts.add(told.alert, deliver=True, propose=True), "it is known"
    assert alerts.claim_delivery(timedelta(minutes=1)) == (told.alert, 2)
    assert outcomes.corrections() == {"0123456789abcdef": 3}
    alerts.close()
    outcomes.close()


def test_all_that_the_sixth_revision_knows_is_kept(old_url, make):
    url = old_url("0006")
    upgrade(url)
    checks = SqlCheckStore(url)
    [check] = checks.of_calibrator(make(0.1 + 0.2, task="anatomy").id)
    assert (check.teacher, check.questions, check.disagreeing) == ("demo-base", 50, 7)
    assert check.created_at == datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert check.proposal.differences == {"brier": (-0.1, -0.15, -0.05)}
    assert checks.add(replace(check, disagreeing=9)) == check, "it is known"
    checks.close()
    outcomes = SqlOutcomeStore(url)
    [(name, answer)] = outcomes.answers([b"kept-of-16-bytes"]).items()
    assert (name, answer.answer_id) == (b"kept-of-16-bytes", b"kept-of-16-bytes")
    assert answer.scope == make(task="anatomy").scope
    assert (answer.choice, answer.option) == (1, None)
    assert struct.unpack("<4f", answer.calibrated) == pytest.approx((0.2, 0.4, 0.2, 0.2))
    outcomes.close()
