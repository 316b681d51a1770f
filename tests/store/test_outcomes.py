"""Outcomes in the store: once each, corrected, in their order, and no more than are wanted."""

import struct
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.store import Outcome, Recorded, Scope, SqlOutcomeStore, outcomes
from trueodds_service.store.outcomes import equal_share

SCOPE = Scope("demo-aligned", "3f2a", "anatomy", "paren", 1, 4)
FOREVER = timedelta(days=365)


@pytest.fixture
def store(url):
    store = SqlOutcomeStore(url)
    yield store
    store.close()


def outcome(number, option=0, *, calibrator="0f", task="anatomy"):
    return Outcome(
        answer_id=number.to_bytes(16, "little"),
        scope=replace(SCOPE, task=task),
        calibrator=calibrator,
        choice=1,
        option=option,
        probabilities=struct.pack("<4f", 0.1, 0.7, 0.1, 0.1),
        calibrated=struct.pack("<4f", 0.2, 0.4, 0.2, 0.2),
        answered_at=datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    )


def options(store, calibrator="0f"):
    return [each.option for each in store.of_calibrator(calibrator)]


def test_what_is_told_is_kept(store):
    assert store.record([outcome(1), outcome(2, None), outcome(3, 3)]) == Recorded(3, 0, 0)
    first, *_ = store.of_calibrator("0f")
    assert (first.choice, first.option) == (1, 0)
    assert struct.unpack("<4f", first.calibrated) == pytest.approx((0.2, 0.4, 0.2, 0.2))
    assert first.answered_at == outcome(1).answered_at
    assert options(store) == [0, None, 3]


def test_the_same_again_changes_nothing_and_another_word_corrects(store):
    store.record([outcome(1, 0), outcome(2, 1), outcome(3, None)])
    told = [outcome(1, 0), outcome(2, 2), outcome(3, 1), outcome(4, 3)]
    assert store.record(told) == Recorded(1, 2, 1)
    assert options(store) == [0, 2, 1, 3], "in the order of the first word of each"


def test_of_several_words_at_once_the_last_holds(store):
    assert store.record([outcome(1, 0), outcome(1, 3), outcome(1, 2)]) == Recorded(1, 0, 2)
    assert options(store) == [2]


def test_calibrators_have_their_own(store):
    store.record([outcome(1), outcome(2, 1, calibrator="1f"), outcome(3, 2, calibrator="")])
    assert (options(store), options(store, "1f")) == ([0], [1])
    assert options(store, "2f") == []


def test_more_than_a_statement_can_hold(store):
    many = [outcome(number, number % 4) for number in range(2500)]
    assert store.record(many) == Recorded(2500, 0, 0)
    assert store.record(many[:1500]) == Recorded(0, 0, 1500)
    assert options(store) == [each.option for each in many]


def test_nothing_is_told(store):
    assert store.record([]) == Recorded(0, 0, 0)


def test_who_tells_the_same_at_once_keeps_it_once(url):
    """Two gateways that get the same message: neither fails, and nothing is there twice."""
    stores = [SqlOutcomeStore(url) for _ in range(2)]
    many = [outcome(number) for number in range(300)]
    found, start = [], threading.Barrier(2)

    def tell(store):
        start.wait()
        found.append(store.record(many))

    threads = [threading.Thread(target=tell, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [Recorded(0, 0, 300), Recorded(300, 0, 0)]
    for store in stores:
        store.close()


def test_only_the_newest_are_kept(store):
    store.record([outcome(number, number % 4) for number in range(10)])
    assert store.prune(keep=FOREVER, at_most=4) == 6
    assert options(store) == [2, 3, 0, 1]
    assert store.prune(keep=FOREVER, at_most=4) == 0


def of_tenants(numbers):
    """Outcomes of tenants, as many as told, each tenant's after those of the one before."""
    for place, (tenant, number) in enumerate(numbers.items()):
        for each in range(number):
            told = outcome(1000 * place + each, each % 4, calibrator=tenant)
            yield replace(told, scope=replace(SCOPE, tenant=tenant))


@pytest.mark.parametrize(
    ("numbers", "at_most", "left"),
    [
        ({"light": 3, "heavy": 50}, 10, {"light": 3, "heavy": 7}),
        ({"light": 3, "heavy": 50, "other": 20}, 17, {"light": 3, "heavy": 7, "other": 7}),
        ({"one": 9, "other": 9, "third": 9}, 10, {"one": 3, "other": 3, "third": 3}),
        ({"one": 9, "other": 9, "third": 9}, 2, {"one": 0, "other": 0, "third": 0}),
        ({"light": 3, "other": 4}, 7, {"light": 3, "other": 4}),
    ],
)
def test_a_tenant_s_many_take_no_other_s_share(store, numbers, at_most, left):
    store.record([*of_tenants(numbers)])
    assert store.prune(keep=FOREVER, at_most=at_most) == sum(numbers.values()) - sum(left.values())
    for tenant, number in left.items():
        newest = [each % 4 for each in range(numbers[tenant])][numbers[tenant] - number :]
        assert options(store, tenant) == newest


def test_what_is_far_too_much_goes_in_several_calls(store, monkeypatch):
    monkeypatch.setattr(outcomes, "_MOST_PRUNED", 4)
    store.record([*of_tenants({"one": 8, "other": 8})])
    prune = partial(store.prune, keep=FOREVER, at_most=6)
    assert [prune() for _ in range(4)] == [4, 4, 2, 0]
    assert [len(options(store, tenant)) for tenant in ("one", "other")] == [3, 3]


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 100))
def test_a_share_is_the_largest_that_fits(numbers, at_most):
    share = equal_share(numbers, at_most)
    assert sum(min(each, share) for each in numbers) <= at_most
    if any(each > share for each in numbers):
        assert sum(min(each, share + 1) for each in numbers) > at_most


def test_what_is_too_old_goes(store):
    store.record([outcome(1)])
    assert store.prune(keep=FOREVER, at_most=10) == 0
    assert store.prune(keep=timedelta(days=-1), at_most=10) == 1
    assert options(store) == []


def test_who_follows_reads_what_is_new(store):
    store.record([outcome(1, 0), outcome(2, 1, calibrator="1f"), outcome(3, None)])
    told = store.told_of(0)
    assert told.keys() == {"0f", "1f"}
    last = max(told.values())
    assert last == store.of_calibrator("0f")[-1].position
    assert store.told_of(last) == {}
    store.record([outcome(4, 2), outcome(5, 3)])
    assert store.told_of(last).keys() == {"0f"}
    new = store.of_calibrator("0f", after=last)
    assert [each.option for each in new] == [2, 3]
    assert store.of_calibrator("0f", after=last, at_most=1) == new[:1]


def test_the_newest_are_in_their_order(store):
    store.record([outcome(number, None if number == 5 else number % 4) for number in range(1, 8)])
    assert [each.option for each in store.newest("0f", 3)] == [0, 2, 3]
    assert [each.option for each in store.newest("0f", 3, known=False)] == [None, 2, 3]
    after = store.of_calibrator("0f")[-2].position
    assert [each.option for each in store.newest("0f", 3, after=after)] == [3]
    assert store.newest("1f", 3) == []


def test_corrections_are_counted_by_calibrator(store):
    first, second = outcome(1, 0), outcome(2, 0, calibrator="1f")
    store.record([first, second])
    assert store.corrections() == {}
    store.record([replace(first, option=1)])
    store.record([replace(first, option=1), second])
    assert store.corrections() == {"0f": 1}
    store.record([replace(first, option=None), replace(second, option=3)])
    assert store.corrections() == {"0f": 2, "1f": 1}


def test_the_seal_is_made_once_for_all(url):
    one, two = SqlOutcomeStore(url), SqlOutcomeStore(url)
    assert one.seal() == two.seal() == one.seal()
    assert len(one.seal()) == 32
    one.close()
    two.close()


def test_answers_wait_for_their_outcomes(store):
    waiting = [outcome(1, None), outcome(2, None)]
    store.keep(waiting)
    assert store.answers([waiting[0].answer_id, b"another"]) == {waiting[0].answer_id: waiting[0]}
    again = replace(waiting[1], choice=3)
    store.keep([waiting[1], again])
    assert store.answers([again.answer_id]) == {again.answer_id: again}, "the last holds"
    assert store.answers([]) == {}
    assert options(store) == [], "they are no outcomes"


def test_more_answers_than_a_statement_can_hold(store):
    many = [outcome(number, None) for number in range(1200)]
    store.keep(many)
    assert len(store.answers([each.answer_id for each in many])) == 1200


def test_what_is_kept_again_and_again_takes_no_others_place(store):
    first, repeated = (replace(outcome(n, None), answered_at=datetime.now(UTC)) for n in (1, 2))
    store.keep([first])
    for _ in range(5):
        store.keep([repeated])
    assert store.prune_answers(keep=timedelta(hours=1), at_most=2) == 0
    assert len(store.answers([first.answer_id, repeated.answer_id])) == 2


def test_answers_are_forgotten_as_outcomes_are(store):
    store.record([outcome(9)])
    many = [replace(outcome(number, None), answered_at=datetime.now(UTC)) for number in range(5)]
    store.keep([*many, outcome(7, None)])
    prune = partial(store.prune_answers, keep=timedelta(hours=1), at_most=3)
    assert [prune() for _ in range(3)] == [1, 2, 0], "one old, two too many"
    assert set(store.answers([each.answer_id for each in many])) == {
        each.answer_id for each in many[-3:]
    }
    assert options(store) == [0]
