"""Which calibrator is active, here and in other processes, and what the store's errors become."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.flows.conftest import OWN_SCOPE

from trueodds_service.errors import InvalidInput, NotFound, NotReady, Unavailable
from trueodds_service.flows import active_calibrators as calibrators_module
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store import Calibrator, SqlCalibratorStore, errors


@pytest.fixture
def other(house):
    """The same store as another process has it open."""
    store = SqlCalibratorStore(house.url)
    yield store
    store.close()


@pytest.fixture
async def following(house):
    """The calibrators follow the store while the test runs."""
    task = asyncio.create_task(house.calibrators.follow())
    yield task
    task.cancel()


async def until(condition):
    """Waits for it, however slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.01)


async def test_an_activation_is_seen_here_at_once(house):
    calibrator = house.stored()
    assert not house.calibrators.is_active(calibrator)
    await house.calibrators.activate(calibrator)
    assert house.calibrators.is_active(calibrator)
    assert house.calibrators.active(calibrator.scope) == calibrator


async def test_an_activation_elsewhere_is_seen_with_the_next_refresh(house, other):
    calibrator = house.stored()
    await house.calibrators.refresh()
    other.activate("aligned", calibrator.id)
    assert house.calibrators.active(calibrator.scope) is None, "answers never wait for the store"
    await house.calibrators.refresh()
    assert house.calibrators.active(calibrator.scope) == calibrator
    other.rollback(calibrator.scope)
    await house.calibrators.refresh()
    assert house.calibrators.active(calibrator.scope) is None


async def test_an_activation_elsewhere_is_seen_within_a_second(house, other, monkeypatch):
    """Of pauses, that is: each is told and not slept. It can come just after a poll began."""
    pauses, slept = [], asyncio.sleep

    async def sleep(seconds):
        pauses.append(seconds)
        await slept(0)

    calibrator = house.stored()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    following = asyncio.create_task(house.calibrators.follow())
    other.activate("aligned", calibrator.id)
    while house.calibrators.active(calibrator.scope) is None:
        await slept(0)
    following.cancel()
    assert pauses
    assert 2 * max(pauses) < 1


async def test_a_database_restored_from_a_backup_is_taken_over(house):
    first, second = house.stored(), house.stored(temperature=3.0)
    await house.calibrators.activate(first)
    path = house.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(":memory:")) as backup:
        live.backup(backup)
        await house.calibrators.activate(second)
        backup.backup(live)
    await house.calibrators.refresh()
    assert house.calibrators.is_active(first)


async def test_a_backup_of_the_same_version_is_taken_over(house):
    """Restored and changed between two polls, the number of changes can be the same."""
    first, second = house.stored(), house.stored(temperature=3.0)
    path = house.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(":memory:")) as backup:
        live.backup(backup)
        await house.calibrators.activate(first)
        backup.backup(live)
    house.store.activate("aligned", second.id)
    await house.calibrators.refresh()
    assert house.calibrators.is_active(second)


async def test_busy_threads_of_others_hold_up_no_activation(house, other, following):
    """Those that tokenise, and callers of a database that says nothing."""
    calibrator = house.stored()
    go_on, busy = threading.Event(), threading.Barrier(2 + calibrators_module._THREADS)

    def hold():
        busy.wait(60)
        go_on.wait(60)

    asked = [house.calibrators.ask(hold) for _ in range(calibrators_module._THREADS)]
    held = [asyncio.create_task(each) for each in asked]
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    held.append(asyncio.create_task(asyncio.to_thread(hold)))
    while busy.n_waiting < busy.parties - 1:  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.01)
    busy.wait(60)
    other.activate("aligned", calibrator.id)
    await until(lambda: house.calibrators.is_active(calibrator))
    assert not any(each.done() for each in held)
    go_on.set()
    await asyncio.gather(*held)


async def test_a_database_that_says_nothing_is_given_up(house, caplog):
    go_on = threading.Event()
    calls = StoreCalls(1, answer_seconds=0.01)
    for _ in range(2):  # the second waits for the thread of the first
        with pytest.raises(Unavailable) as caught:
            await calls.ask(go_on.wait, 60)
        assert caught.value.reason == "STORE_UNAVAILABLE"
    assert caplog.messages == [
        "the calibrator store failed (wait): StoreUnavailable: the database says nothing"
    ]
    go_on.set()
    assert await StoreCalls(1, 60).ask(lambda: 7) == 7
    calls.close()


async def test_what_was_known_too_long_ago_is_stale(house, monkeypatch):
    now = [calibrators_module.time.monotonic() + 1000.0]
    monkeypatch.setattr(calibrators_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    new = Calibrators(house.store)
    now[0] += 0.1
    assert new.stale, "nothing is known yet"
    await house.calibrators.refresh()
    assert not house.calibrators.stale
    now[0] += 1.5
    assert (house.calibrators.stale, house.calibrators.stale_seconds) == (False, 0)
    now[0] += 1
    assert (house.calibrators.stale, house.calibrators.stale_seconds) == (True, pytest.approx(2.5))
    await house.calibrators.refresh()
    assert not house.calibrators.stale


async def test_a_named_calibrator_is_known_while_the_store_is_away(house, monkeypatch):
    await house.calibrators.refresh()
    used, other = house.stored(), house.stored(3.0)
    await house.calibrators.get("aligned", used.id)

    def away(*_):
        raise errors.StoreUnavailable("away")

    monkeypatch.setattr(house.store, "get", away)
    assert await house.calibrators.get("aligned", used.id) == used
    with pytest.raises(Unavailable):
        await house.calibrators.get("aligned", other.id)


async def test_a_named_calibrator_that_was_deleted_is_known_no_more(house, other):
    await house.calibrators.refresh()
    used = house.stored()
    await house.calibrators.get("aligned", used.id)
    other.delete("aligned", used.id)
    with pytest.raises(NotFound):
        await house.calibrators.get("aligned", used.id)


async def test_who_follows_sees_every_change(house, other, following):
    calibrator = house.stored()
    other.activate("aligned", calibrator.id)
    await until(lambda: house.calibrators.is_active(calibrator))
    other.rollback(calibrator.scope)
    await until(lambda: not house.calibrators.is_active(calibrator))


async def test_the_last_state_answers_while_the_store_is_away(house, other, following, monkeypatch):
    calibrator, later = await house.activated(2.0), house.stored(3.0)
    asked = []

    def away():
        asked.append(1)
        raise errors.StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(house.store, "mark", away)
        other.activate("aligned", later.id)
        await until(lambda: len(asked) >= 2)
        assert house.calibrators.active(calibrator.scope) == calibrator
    await until(lambda: house.calibrators.active(calibrator.scope) == later)


async def test_of_two_refreshes_the_later_state_wins(house, other, monkeypatch):
    calibrator = house.stored()
    await house.calibrators.refresh()
    other.activate("aligned", house.stored(3.0, task="other").id)
    read, go_on = threading.Event(), threading.Event()
    snapshot = house.store.snapshot

    def slow(before):
        taken = snapshot(before)
        read.set()
        assert go_on.wait(60)
        return taken

    monkeypatch.setattr(house.store, "snapshot", slow)
    early = asyncio.create_task(house.calibrators.refresh())
    await asyncio.to_thread(read.wait, 60)
    monkeypatch.setattr(house.store, "snapshot", snapshot)
    await house.calibrators.activate(calibrator)
    go_on.set()
    await early
    assert house.calibrators.is_active(calibrator)


async def test_a_rollback_tells_what_answers_then(house):
    first, second = await house.activated(2.0), await house.activated(3.0)
    assert await house.calibrators.rollback(second) == first
    assert house.calibrators.is_active(first)
    assert await house.calibrators.rollback(first) is None
    assert house.calibrators.active(first.scope) is None


async def test_only_what_is_active_can_be_taken_back(house):
    first, second = await house.activated(2.0), await house.activated(3.0)
    never = house.stored(4.0, task="other")
    for calibrator in (first, never):
        with pytest.raises(NotReady) as caught:
            await house.calibrators.rollback(calibrator)
        assert caught.value.reason == "CALIBRATOR_NOT_ACTIVE"
    assert house.calibrators.is_active(second)


TRANSLATED = {
    errors.CalibratorNotFound: (NotFound, "CALIBRATOR_NOT_FOUND"),
    errors.NothingActive: (NotReady, "CALIBRATOR_NOT_ACTIVE"),
    errors.NotActive: (NotReady, "CALIBRATOR_NOT_ACTIVE"),
    errors.StillActive: (NotReady, "CALIBRATOR_ACTIVE"),
    errors.TooManyCalibrators: (NotReady, "TOO_MANY_CALIBRATORS"),
    errors.RequestReused: (InvalidInput, "REQUEST_ID_REUSED"),
    errors.BadPageToken: (InvalidInput, "INVALID_FIELD"),
    errors.StoreCorrupt: (NotReady, "CALIBRATOR_DAMAGED"),
    errors.BadArchive: (NotReady, "STORE_FAULT"),
    errors.Contradiction: (NotReady, "STORE_FAULT"),
    errors.KeyNotFound: (NotReady, "STORE_FAULT"),
    errors.KeyNameTaken: (NotReady, "STORE_FAULT"),
    errors.SchemaTooNew: (NotReady, "STORE_FAULT"),
    errors.StoreError: (NotReady, "STORE_FAULT"),
    errors.StoreUnavailable: (Unavailable, "STORE_UNAVAILABLE"),
}


@pytest.mark.parametrize("error", [errors.StoreError, *errors.StoreError.__subclasses__()])
async def test_an_error_of_the_store_becomes_the_services(house, error):
    def fail():
        raise error("postgresql://user:password@host")

    kind, reason = TRANSLATED[error]
    with pytest.raises(kind) as caught:
        await house.calibrators.ask(fail)
    assert caught.value.reason == reason
    assert "password" not in caught.value.message
    assert isinstance(caught.value.__cause__, error)


async def test_a_store_that_cannot_write_says_so_in_the_log(house, caplog):
    def put():
        raise errors.StoreUnavailable("the database refused: disk full postgresql://me:secret@db/x")

    for _ in range(2):
        with pytest.raises(Unavailable):
            await house.calibrators.ask(put)
    [said] = caplog.messages
    assert said.startswith("the calibrator store failed (put): StoreUnavailable at ")
    assert said.endswith(": the database refused: disk full postgresql://me:***@db/x")
    with pytest.raises(NotFound):
        await house.calibrators.get("aligned", "0" * 16)
    assert len(caplog.messages) == 1, "what a caller has done is no fault of the store's"


async def test_the_following_outlives_any_error(house, following, monkeypatch, caplog):
    mark = house.store.mark
    go_on = threading.Event()

    def stumble():
        if not go_on.is_set():
            raise ZeroDivisionError("postgresql://user:password@host")
        return mark()

    monkeypatch.setattr(calibrators_module, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(house.store, "mark", stumble)
    await until(lambda: "ZeroDivisionError at test_calibrators.py:" in caplog.text)
    assert "password" not in caplog.text
    go_on.set()
    await until(lambda: "the store answers again" in caplog.text)
    assert not following.done()


async def test_any_other_error_stays_what_it_is(house):
    with pytest.raises(ZeroDivisionError):
        await house.calibrators.ask(lambda: 1 / 0)


async def test_what_a_new_process_has_is_what_was_active(house):
    calibrator = await house.activated()
    new = Calibrators(house.store)
    assert new.active(calibrator.scope) is None
    await new.refresh()
    assert new.active(calibrator.scope) == calibrator


async def test_parameters_that_make_no_calibrator_are_damaged(house):
    stored = await house.activated(2.0)
    wrong = {"a": (-1.0,), "b": (1.0,), "shift": (0.0,)}
    refused = house.calibrators.applied(replace(stored, method="beta", parameters=wrong))
    assert isinstance(refused, NotReady)
    assert refused.reason == "CALIBRATOR_DAMAGED"


async def test_a_damaged_record_costs_its_scope_alone(house, caplog):
    """Nothing stands in for it: not the default, and not the raw answer."""
    default = await house.activated(2.0, task="")
    broken, whole = await house.activated(3.0), await house.activated(4.0, task="whole")
    with closing(sqlite3.connect(house.url.removeprefix("sqlite:///"))) as behind, behind:
        behind.execute("UPDATE calibrators SET metrics = '{' WHERE id = ?", (broken.id,))
    started = Calibrators(house.store)
    await started.refresh()
    assert started.active(whole.scope) == whole
    assert started.active(replace(whole.scope, task="other")) == default
    refused = started.active(broken.scope)
    assert isinstance(refused, NotReady)
    assert refused.reason == "CALIBRATOR_DAMAGED"
    assert broken.id in caplog.text


async def test_who_is_stopped_as_the_store_answers_is_stopped(monkeypatch):
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    monkeypatch.setattr(loop, "run_in_executor", lambda *_: answer)
    asking = asyncio.create_task(StoreCalls(1, 60).ask(lambda: 7))
    await asyncio.sleep(0)
    answer.set_result(7)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_is_stored_for_another_number_of_options_is_damaged_and_said_so(house):
    """Whoever wrote it: a caller is told what is wrong, and not that the service has failed."""
    wrong = {"weights": (1.0,) * 3, "bias": (0.0,) * 3}
    damaged = Calibrator(scope=OWN_SCOPE, method="vector", parameters=wrong)
    kept = house.store.put(damaged, activate=True)
    await house.calibrators.refresh()
    refusal = house.calibrators.applied(kept)
    assert refusal.reason == "CALIBRATOR_DAMAGED"
