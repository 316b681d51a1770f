"""Processes and threads that write and read at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from trueodds_service.store import NotActive, NothingActive, SqlCalibratorStore


def test_every_activation_of_many_writers_is_recorded(new_url, start_writer):
    url = new_url()  # so that they race to create it, too
    processes, threads, count = 2, 3, 6
    writers = [
        start_writer(url, threads=threads, count=count, tag=f"p{number}")
        for number in range(processes)
    ]
    accepted = []
    for writer in writers:
        output, errors = writer.communicate()
        assert writer.returncode == 0, errors
        accepted += [line.split() for line in output.splitlines()]
    total = processes * threads * count
    assert len(accepted) == total

    store = SqlCalibratorStore(url)
    scope = store.list("demo-aligned", page_size=1).calibrators[0].scope
    history = store.history(scope)
    assert {(str(row.sequence), row.calibrator_id) for row in history} == set(map(tuple, accepted))
    assert [row.sequence for row in history] == list(range(1, total + 1))
    assert store.version() == total
    # No update was lost: each found the one before it in force.
    assert history[0].parent is None
    assert all(later.parent == earlier.sequence for earlier, later in pairwise(history))


def test_every_snapshot_is_the_state_at_its_version(store, make):
    scopes = ["", "anatomy", "law"]
    fits = {task: [store.put(make(1.5 + i, task=task)) for i in range(3)] for task in scopes}
    done = threading.Event()

    def write(task):
        for number in range(12):
            store.activate("demo-aligned", fits[task][number % 3].id)
            if number % 4 == 3:
                store.rollback(fits[task][0].scope)

    def read():
        seen = [store.snapshot()]
        while not done.is_set():
            seen.append(store.snapshot())
        return [*seen, store.snapshot()]

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, task) for task in scopes]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        seen = [reader.result() for reader in readers]

    by_id = {each.id: each for fit in fits.values() for each in fit}
    rows = [row for fit in fits.values() for row in store.history(fit[0].scope)]
    state, states = {}, [{}]
    for row in sorted(rows, key=lambda row: row.sequence):
        state = {**state, row.scope: by_id[row.calibrator_id]}
        states.append(state)
    assert len(states) == store.version() + 1
    for snapshots in seen:
        assert all(snapshot.active == states[snapshot.version] for snapshot in snapshots)
        versions = [snapshot.version for snapshot in snapshots]
        assert versions == sorted(versions)
        assert versions[-1] == store.version()


def test_writers_of_one_calibrator_agree_on_one(store, make):
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: store.put(make()), range(16)))
        made = list(pool.map(lambda _: store.activate("demo-aligned", kept[0].id), range(16)))
    assert kept == kept[:1] * 16
    assert made == made[:1] * 16
    assert store.version() == 1


def test_of_many_rollbacks_of_one_calibrator_one_succeeds(store, make):
    first, second = store.put(make(1.1)), store.put(make(1.2))
    for each in (first, second):
        store.activate("demo-aligned", each.id)

    def roll_back(_):
        try:
            return store.rollback(first.scope, expected_id=second.id).calibrator_id
        except (NotActive, NothingActive):
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(roll_back, range(8)))
    assert results.count(first.id) == 1
    assert store.active(first.scope) == first
    assert store.version() == 3
