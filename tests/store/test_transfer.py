"""A store's content as one file: out of any database, into any other, once and whole."""

import json
import threading
from contextlib import closing
from dataclasses import asdict, replace
from hashlib import sha256

import pytest

from trueodds_service.caller import Caller, Permission, acting_for
from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import (
    BadArchive,
    Contradiction,
    FitRequest,
    Scope,
    SqlCalibratorStore,
    StoreError,
    audit_log,
    export_store,
    import_store,
    upgrade,
)
from trueodds_service.store.records import Damaged
from trueodds_service.store.transfer.archive import Numbers

ACME = Caller("acme", "key:fits", frozenset(Permission))
NOTHING = Numbers()
ALL = Numbers(calibrators=6, activations=6, requests=1)


@pytest.fixture
def filled(new_sqlite_url, make):
    """The URL of a store with all that there is: rollbacks, deletions, requests."""
    url = new_sqlite_url()
    with closing(SqlCalibratorStore(url)) as store:
        _, _, third = (store.put(make(1 + n), activate=True) for n in range(3))
        store.rollback(third.scope)
        store.delete("demo-aligned", third.id)
        store.put(make(4.0), request=FitRequest("nightly-7", "a hash"))
        other = store.put(make(5.0, task="law"), activate=True)
        store.rollback(other.scope)
        store.put(replace(make(), bias_correction="batch", metrics={"nll_after": 0.1 + 0.2}))
    return url


@pytest.fixture
def exported(filled, tmp_path):
    """A file of all of that."""
    file = tmp_path / "calibrators.jsonl"
    exported = export_store(filled, file)
    assert (exported.numbers, exported.damaged) == (ALL, ())
    return file


def content(url):
    """All that a caller can learn of a store, but for the numbers of activations."""
    with closing(SqlCalibratorStore(url)) as store:
        kept = store.list("demo-aligned", page_size=99).calibrators
        histories = {}
        for scope in {each.scope for each in kept}:
            rows = store.history(scope)
            places = {row.sequence: place for place, row in enumerate(rows)}
            histories[scope] = [
                (row.calibrator_id, row.created_at, places.get(row.parent)) for row in rows
            ]
        asked = store.fitted_by(FitRequest("nightly-7", "a hash"))
        return kept, [each.created_at for each in kept], histories, asked, store.snapshot().active


def test_it_comes_to_another_database_whole_and_once(filled, exported, new_url):
    url = new_url()
    assert import_store(url, exported, check_could_be_kept) == (ALL, ALL)
    assert content(url) == content(filled)
    assert import_store(url, exported, check_could_be_kept) == (NOTHING, ALL)
    assert content(url) == content(filled)


def test_the_same_content_is_the_same_bytes(exported, url, tmp_path):
    import_store(url, exported, check_could_be_kept)
    export_store(url, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == exported.read_bytes()


def test_a_rollback_goes_where_it_went_before(filled, exported, url):
    """Also where the store has had activations of its own, so that the numbers are others."""
    import_store(url, exported, check_could_be_kept)
    for each in (filled, url):
        with closing(SqlCalibratorStore(each)) as store:
            scope = next(iter(store.snapshot().active))
            while store.rollback(scope):
                pass
            history = [row.calibrator_id for row in store.history(scope)]
        assert history[-2:] == [history[0], None]


def test_it_is_added_to_what_is_there(exported, filled, url, make):
    with closing(SqlCalibratorStore(url)) as store:
        own = store.put(make(9.0, model="another"), activate=True)
        store.put(make(4.0))
        new, _ = import_store(url, exported, check_could_be_kept)
        assert new == replace(ALL, calibrators=5)
        assert store.active(own.scope) == own
        assert store.version() == 1 + ALL.activations
        active = store.snapshot().active
    with closing(SqlCalibratorStore(filled)) as store:
        assert active == {**store.snapshot().active, own.scope: own}


def test_a_tenant_s_log_tells_what_an_import_put_into_force(url, new_sqlite_url, make, tmp_path):
    other = new_sqlite_url()
    with closing(SqlCalibratorStore(url)) as store, acting_for(ACME):
        active = store.put(make(tenant="acme"), activate=True)
        gone = store.put(make(2.0, task="law", tenant="acme"), activate=True)
        store.rollback(gone.scope)
    export_store(url, tmp_path / "f.jsonl")
    for _ in range(2):  # the second adds nothing
        import_store(other, tmp_path / "f.jsonl", check_could_be_kept)
    told = {(each.action, each.subject) for each in audit_log(other, tenant="acme")}
    assert told == {("import", active.name), ("import", "models/demo-aligned: none")}
    assert len([*audit_log(other, tenant="acme")]) == 2


def test_a_request_whose_calibrator_was_deleted_here_stays_forgotten(exported, url, make):
    asked = FitRequest("nightly-7", "a hash")
    import_store(url, exported, check_could_be_kept)
    with closing(SqlCalibratorStore(url)) as store:
        fitted = store.fitted_by(asked)
        store.delete("demo-aligned", fitted.id)
    assert import_store(url, exported, check_could_be_kept)[0] == NOTHING
    with closing(SqlCalibratorStore(url)) as store:
        assert store.fitted_by(asked) is None
        again = store.put(make(4.0), request=asked)
        assert store.get("demo-aligned", again.id) == again


def test_a_history_that_has_gone_on_stays_and_a_longer_one_is_taken(
    exported, filled, url, make, tmp_path
):
    import_store(url, exported, check_could_be_kept)
    with closing(SqlCalibratorStore(filled)) as store:
        later = store.put(make(7.0), activate=True)
    assert import_store(filled, exported, check_could_be_kept)[0] == NOTHING
    with closing(SqlCalibratorStore(filled)) as store:
        assert store.active(later.scope) == later
    export_store(filled, tmp_path / "later.jsonl")
    assert import_store(url, tmp_path / "later.jsonl", check_could_be_kept)[0] == Numbers(1, 1, 0)
    with closing(SqlCalibratorStore(url)) as store:
        assert store.active(later.scope) == later


def test_a_running_service_takes_it_over(exported, url):
    with closing(SqlCalibratorStore(url)) as store:
        before = store.mark()
        import_store(url, exported, check_could_be_kept)
        assert store.mark() != before


def test_another_history_is_refused_and_changes_nothing(exported, url, make):
    with closing(SqlCalibratorStore(url)) as store:
        store.put(make(8.0), activate=True)
        before = content(url)
        with pytest.raises(Contradiction, match=r"histories differ at step 1: .* was activated"):
            import_store(url, exported, check_could_be_kept)
        assert content(url) == before


def test_a_request_that_gave_something_else_is_refused(exported, url, make):
    with closing(SqlCalibratorStore(url)) as store:
        store.put(make(8.0), request=FitRequest("nightly-7", "another hash"))
        with pytest.raises(Contradiction, match="nightly-7"):
            import_store(url, exported, check_could_be_kept)
        assert store.version() == 0


def test_what_was_deleted_here_is_not_made_active(exported, url, make):
    with closing(SqlCalibratorStore(url)) as store:
        store.put(make(2.0))
        store.delete("demo-aligned", make(2.0).id)
        with pytest.raises(Contradiction, match="was deleted here"):
            import_store(url, exported, check_could_be_kept)
        assert store.version() == 0


def test_a_dry_run_leaves_nothing(exported, url, tmp_path):
    assert import_store(url, exported, check_could_be_kept, dry_run=True) == (ALL, ALL)
    assert content(url)[0] == []
    new = f"sqlite:///{tmp_path}/nowhere/new.db"
    assert import_store(new, exported, check_could_be_kept, dry_run=True) == (ALL, ALL)
    assert not (tmp_path / "nowhere").exists()


def rewritten(file, number, change):
    """The file with a line changed, and a digest that fits."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    change(lines[number])
    *rest, last = lines
    text = "".join(json.dumps(each, sort_keys=True) + "\n" for each in rest)
    last["sha256"] = sha256(text.encode()).hexdigest()
    file.write_text(text + json.dumps(last) + "\n")


WRONG_FILES = {
    "nothing": lambda content: b"",
    "no file of a store": lambda content: b"a,b\n1,2\n",
    "cut off": lambda content: content[: len(content) // 2],
    "without its last line": lambda content: content[: content.rindex(b"\n", 0, -1) + 1],
    "altered": lambda content: content.replace(b'"method":"teacher_kl"', b'"method":"teacher_kz"'),
    "with more behind": lambda content: content + b"{}\n",
}


@pytest.mark.parametrize("wrong", WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_file_that_is_not_whole_is_refused(exported, sqlite_url, wrong):
    exported.write_bytes(wrong(exported.read_bytes()))
    with pytest.raises(BadArchive):
        import_store(sqlite_url, exported, check_could_be_kept)


WRONG_LINES = {
    "another content": (1, {"method": "none"}, r"line 2: calibrator \w+ holds the content of"),
    "a field too many": (1, {"colour": "red"}, "colour"),
    "a version of later": (0, {"version": 2}, "is of version 2"),
    "an unknown kind": (1, {"kind": "user"}, "line 2: it is of no known kind: 'user'"),
    "no moment": (1, {"created_at": "yesterday"}, "line 2: created_at is no moment"),
    "a moment before all": (
        1,
        {"created_at": "0001-01-01T00:00:00+14:00"},
        "line 2: created_at is no moment",
    ),
    "a number too large": (1, {"metrics": {"x": 10**400}}, "line 2: .* cannot be read"),
    "a number below zero": (7, {"sequence": -1}, "line 8: sequence is not from 0 to"),
    "no zone": (7, {"created_at": "2025-03-01T12:30:15"}, "line 8: created_at has no time zone"),
    "no number": (7, {"sequence": True}, "line 8: sequence is no int"),
    "an unknown calibrator": (7, {"calibrator_id": "0" * 16}, "of a calibrator that is not there"),
    "a scope that nothing was fitted for": (
        8,
        {"calibrator_id": None, "scope": dict(asdict(Scope("m", "r", "", "paren", 1, 4)))},
        "activation 2 is in a scope without calibrators",
    ),
    "an unknown parent": (8, {"parent": 99}, "lies on one that is not there"),
    "another order": (8, {"sequence": 1}, "activation 1 comes after 1"),
    "a request of nothing": (13, {"calibrator_id": "0" * 16}, "its calibrator is not there"),
}


@pytest.mark.parametrize(("number", "change", "said"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_line_that_cannot_be_is_named(exported, sqlite_url, number, change, said):
    rewritten(exported, number, lambda line: line.update(change))
    with pytest.raises(BadArchive, match=said):
        import_store(sqlite_url, exported, check_could_be_kept)
    with closing(SqlCalibratorStore(sqlite_url)) as store:
        assert store.version() == 0


def test_what_may_not_be_kept_is_named_and_nothing_of_the_file_is(exported, sqlite_url):
    def check(calibrator):
        if calibrator.temperature == 5.0:
            raise ValueError("too warm")

    with pytest.raises(BadArchive, match=r"calibrator [0-9a-f]{16}: too warm"):
        import_store(sqlite_url, exported, check)
    with closing(SqlCalibratorStore(sqlite_url)) as store:
        assert store.version() == 0


def test_an_export_replaces_no_file(filled, exported):
    before = exported.read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        export_store(filled, exported)
    assert exported.read_bytes() == before


def test_an_export_of_nothing_is_refused_and_makes_no_store(tmp_path):
    with pytest.raises(StoreError, match="there is no store yet"):
        export_store(f"sqlite:///{tmp_path}/new.db", tmp_path / "file")
    assert not any(tmp_path.iterdir())


def test_a_damaged_record_costs_the_history_of_its_scope_and_nothing_else(
    filled, behind_of, new_sqlite_url, make, tmp_path
):
    with closing(SqlCalibratorStore(filled)) as store:
        law = store.put(make(6.0, task="law"), activate=True)
        damaged = store.put(make(4.0), request=FitRequest("nightly-7", "a hash"))
        histories = {each: store.history(each) for each in (law.scope, damaged.scope)}
    behind = behind_of(filled)
    behind(f"UPDATE calibrators SET method = 'none' WHERE id = '{damaged.id}'")  # noqa: S608
    exported = export_store(filled, tmp_path / "file")
    assert exported.damaged == (Damaged(damaged.id, damaged.scope),)
    assert exported.numbers == Numbers(ALL.calibrators, len(histories[law.scope]), 0)
    url = new_sqlite_url()
    assert import_store(url, tmp_path / "file", check_could_be_kept)[0] == exported.numbers
    with closing(SqlCalibratorStore(url)) as store:
        assert store.active(law.scope) == law
        assert not store.history(damaged.scope), "another calibrator would answer there"
        kept = store.list("demo-aligned", page_size=99).calibrators
        assert damaged.id not in {each.id for each in kept}


def test_an_export_is_of_one_moment(url, store, make, tmp_path):
    """Whoever writes meanwhile: no activation without its calibrator."""
    done = threading.Event()

    def write():
        for number in range(1, 100):
            if done.is_set():
                return
            store.put(make(float(number)), activate=True)

    writer = threading.Thread(target=write)
    writer.start()
    other = f"sqlite:///{tmp_path}/other.db"
    upgrade(other)
    for number in range(2):
        numbers = export_store(url, tmp_path / str(number)).numbers
        assert numbers.calibrators == numbers.activations
        import_store(other, tmp_path / str(number), check_could_be_kept)
    done.set()
    writer.join()
