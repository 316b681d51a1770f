"""The audit log tells each change, by whom, and nothing that was not done."""

from contextlib import closing
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest

from trueodds_service.caller import Permission
from trueodds_service.flows.audit import AuditRetention
from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import (
    CalibratorNotFound,
    FitRequest,
    SqlKeyStore,
    StillActive,
    StoreError,
    audit_log,
    export_store,
    forget_audit,
    import_store,
)


def told(url, **which):
    """What the log tells, without numbers and moments."""
    return [astuple(each)[2:] for each in audit_log(url, **which)]


def test_each_change_is_told_once_by_whom(store, url, make, acting_for):
    with acting_for("acme"):
        first = store.put(make(1, tenant="acme"), request=FitRequest("nightly", "a"))
        store.put(make(1, tenant="acme"), request=FitRequest("nightly", "a"))
        store.activate("demo-aligned", first.id)
        store.activate("demo-aligned", first.id)
        second = store.put(make(2, tenant="acme"), activate=True)
        with pytest.raises(StillActive):
            store.delete("demo-aligned", second.id)
        store.rollback(second.scope, expected_id=second.id)
        store.delete("demo-aligned", second.id)
        with pytest.raises(CalibratorNotFound):
            store.activate("demo-aligned", second.id)
    who = ("acme", "key:tester")
    assert told(url) == [
        (*who, "fit", first.name),
        (*who, "activate", first.name),
        (*who, "fit", second.name),
        (*who, "activate", second.name),
        (*who, "roll back", second.name),
        (*who, "delete", second.name),
    ]


def test_keys_are_told_by_their_ids_alone(url, acting_for):
    with closing(SqlKeyStore(url)) as keys, acting_for(""):
        key, text = keys.create("nightly", tenant="acme", permissions={Permission.SCORE})
        new, _ = keys.rotate(key.id, grace=timedelta())
        keys.revoke(new.id)
    assert told(url, tenant="acme") == [
        ("acme", "key:tester", "create key", f"keys/{key.id}"),
        ("acme", "key:tester", "rotate key", f"keys/{key.id}"),
        ("acme", "key:tester", "create key", f"keys/{new.id}"),
        ("acme", "key:tester", "revoke key", f"keys/{new.id}"),
    ]
    assert text.rpartition("_")[2] not in str(list(audit_log(url)))


def test_a_change_that_fails_is_not_told(store, url, make, no_room):
    with pytest.raises(StoreError):
        store.put(make(), activate=True)
    assert told(url) == []


def test_an_import_is_told_where_it_changed_anything(store, url, make, new_url, tmp_path):
    store.put(make())
    export_store(url, tmp_path / "kept.jsonl")
    other = new_url()
    for _ in range(2):
        import_store(other, tmp_path / "kept.jsonl", check_could_be_kept)
    assert told(other) == [("", "anyone", "import", "calibrators: 1, activations: 0, requests: 0")]


def test_a_tenants_or_what_came_since(store, url, make, acting_for):
    store.put(make())
    with acting_for("acme"):
        theirs = store.put(make(tenant="acme"))
    assert told(url, tenant="acme") == [("acme", "key:tester", "fit", theirs.name)]
    now = datetime.now(UTC)
    assert told(url, since=now) == []
    assert len(told(url, since=now - timedelta(hours=1))) == len(("ours", "theirs"))


def test_long_logs_are_told_whole(store, url, make, monkeypatch):
    monkeypatch.setattr("trueodds_service.store.audit._PAGE", 2)
    kept = [store.put(make(1 + number)) for number in range(5)]
    assert [each.subject for each in audit_log(url)] == [each.name for each in kept]


def test_there_is_no_log_of_no_store(tmp_path):
    with pytest.raises(StoreError):
        list(audit_log(f"sqlite:///{tmp_path}/none.db"))


def test_what_is_too_old_is_forgotten_and_the_log_says_so(store, url, make):
    old = [store.put(make(1 + number)) for number in range(3)]
    between = datetime.now(UTC)
    new = store.put(make(9))
    assert forget_audit(url, before=between) == len(old)
    said = f"audit: 3 lines of before {between:%Y-%m-%dT%H:%M:%SZ}"
    assert told(url) == [
        ("", "anyone", "fit", new.name),
        ("", "retention", "forget", said),
    ]
    assert forget_audit(url, before=between) == 0
    assert len(told(url)) == 2


def test_nothing_is_forgotten_that_is_not_told(store, url, make, monkeypatch):
    store.put(make())

    def fails(*_, **__):
        raise StoreError("no room")

    monkeypatch.setattr("trueodds_service.store.audit.note", fails)
    with pytest.raises(StoreError):
        forget_audit(url, before=datetime.now(UTC))
    assert len(told(url)) == 1


async def test_a_service_forgets_days_that_are_longer_over_than_it_keeps(url, store, make):
    store.put(make())
    retention = AuditRetention(url)
    await retention.forget(timedelta(days=1))
    assert len(told(url)) == 1
    await retention.forget(timedelta(days=-1))
    retention.close()
    assert [action for *_, action, _ in told(url)] == ["forget"]
