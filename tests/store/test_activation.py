"""Activating and rolling back, step by step."""

from dataclasses import replace
from datetime import UTC

import pytest

from trueodds_service.store import CalibratorNotFound, NotActive, NothingActive


@pytest.fixture
def a(store, make):
    return store.put(make(1.1))


@pytest.fixture
def b(store, make):
    return store.put(make(1.2))


@pytest.fixture
def c(store, make):
    return store.put(make(1.3))


def activate(store, *calibrators):
    return [store.activate(each.scope.model, each.id) for each in calibrators]


def test_nothing_is_active_at_first(store, a):
    assert store.active(a.scope) is None
    assert store.history(a.scope) == []
    assert store.version() == 0
    assert store.snapshot().active == {}


def test_activation_appends_and_points_to_the_one_before(store, a, b):
    first, second = activate(store, a, b)
    assert (first.sequence, first.calibrator_id, first.parent) == (1, a.id, None)
    assert (second.sequence, second.calibrator_id, second.parent) == (2, b.id, 1)
    assert first.scope == a.scope
    assert first.created_at.tzinfo is UTC
    assert store.history(a.scope) == [first, second]
    assert store.active(a.scope) == b


def test_activating_the_active_one_changes_nothing(store, a):
    (first,) = activate(store, a)
    assert activate(store, a) == [first]
    assert store.history(a.scope) == [first]
    assert store.version() == 1


def test_an_unknown_calibrator_cannot_be_activated(store, a):
    with pytest.raises(CalibratorNotFound):
        store.activate("demo-aligned", "0" * 16)
    assert store.version() == 0


def test_repeated_rollbacks_walk_back_to_nothing(store, a, b, c):
    activate(store, a, b, c)
    assert store.rollback(a.scope).calibrator_id == b.id
    assert store.active(a.scope) == b
    assert store.rollback(a.scope).calibrator_id == a.id
    assert store.rollback(a.scope) is None
    assert store.active(a.scope) is None
    with pytest.raises(NothingActive):
        store.rollback(a.scope)
    told = [(each.calibrator_id, each.parent) for each in store.history(a.scope)]
    assert told == [(a.id, None), (b.id, 1), (c.id, 2), (b.id, 1), (a.id, None), (None, None)]
    assert store.version() == 6


def test_an_activation_after_a_rollback_returns_to_the_state_it_found(store, a, b, c):
    activate(store, a, b)
    back = store.rollback(a.scope)
    (third,) = activate(store, c)
    assert third.parent == back.sequence
    assert store.rollback(a.scope).calibrator_id == a.id
    assert store.rollback(a.scope) is None


def test_after_nothing_a_first_activation_starts_anew(store, a, b):
    activate(store, a)
    store.rollback(a.scope)
    (again,) = activate(store, b)
    assert again.parent is None
    assert store.rollback(a.scope) is None


def test_a_scope_never_seen_has_nothing_to_roll_back(store, a):
    with pytest.raises(NothingActive):
        store.rollback(replace(a.scope, task="never"))
    with pytest.raises(NothingActive):
        store.rollback(a.scope)
    assert store.version() == 0


def test_a_repeated_rollback_of_one_calibrator_goes_one_step(store, a, b):
    activate(store, a, b)
    assert store.rollback(a.scope, expected_id=b.id).calibrator_id == a.id
    with pytest.raises(NotActive, match=b.id):
        store.rollback(a.scope, expected_id=b.id)
    assert store.active(a.scope) == a
    assert store.version() == 3


def test_every_part_of_a_scope_separates(store, a, make):
    activate(store, a)
    near = [
        replace(a.scope, model="other"),
        replace(a.scope, revision="other"),
        replace(a.scope, task="other"),
        replace(a.scope, reading="letter"),
        replace(a.scope, format_version=2),
        replace(a.scope, options=5),
    ]
    assert [store.active(scope) for scope in near] == [None] * len(near)
    others = [store.put(replace(make(2.0), scope=scope)) for scope in near]
    activate(store, *others)
    store.rollback(near[0])
    assert store.active(a.scope) == a
    expected = {a.scope: a} | dict(zip(near[1:], others[1:], strict=True))
    assert store.snapshot().active == expected


def test_a_snapshot_has_its_version_and_stays_as_it_was(store, a, b):
    activate(store, a)
    before = store.snapshot()
    activate(store, b)
    assert (before.version, before.active) == (1, {a.scope: a})
    after = store.snapshot()
    assert (after.version, after.active) == (2, {a.scope: b})
