"""A request to fit that has a name is answered once, whoever repeats it and whatever happens."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from trueodds_service.store import FitRequest, RequestReused, SqlCalibratorStore, StoreError

ASKED = FitRequest("nightly-7", "a hash")
OTHER = FitRequest("nightly-7", "another hash")


def test_a_repeated_request_gives_what_it_gave_and_stores_nothing(store, make):
    assert store.fitted_by(ASKED) is None
    first = store.put(make(1.5), request=ASKED)
    assert store.fitted_by(ASKED) == first
    # An engine may round otherwise a second time: the answer stays.
    assert store.put(make(1.6), request=ASKED) == first
    assert store.list("demo-aligned", page_size=9).calibrators == [first]


def test_it_is_known_after_a_restart(url, make):
    first = SqlCalibratorStore(url).put(make(), request=ASKED)
    assert SqlCalibratorStore(url).fitted_by(ASKED) == first


def test_a_repetition_does_not_take_back_a_rollback(store, make):
    first = store.put(make(), activate=True, request=ASKED)
    assert store.active(first.scope) == first
    store.rollback(first.scope)
    assert store.put(make(), activate=True, request=ASKED) == first
    assert store.active(first.scope) is None


def test_another_request_of_that_name_is_refused_and_stores_nothing(store, make):
    first = store.put(make(1.5), request=ASKED)
    with pytest.raises(RequestReused, match="nightly-7"):
        store.fitted_by(OTHER)
    with pytest.raises(RequestReused, match="nightly-7"):
        store.put(make(1.6), activate=True, request=OTHER)
    assert store.list("demo-aligned", page_size=9).calibrators == [first]
    assert store.version() == 0


def test_of_equal_requests_at_once_all_get_one_answer(store, make):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: store.put(make(1 + number), activate=True, request=ASKED), range(16)
            )
        )
    assert answers == answers[:1] * 16
    assert store.list("demo-aligned", page_size=99).calibrators == answers[:1]
    assert store.version() == 1


def test_after_a_failure_in_the_middle_nothing_is_left_to_repeat_upon(store, no_room, make):
    """As a kill would: the calibrator, its activation and its request are one transaction."""
    with pytest.raises(StoreError, match="no room"):
        store.put(make(), activate=True, request=ASKED)
    assert store.fitted_by(ASKED) is None
    assert not store.list("demo-aligned", page_size=9).calibrators
    no_room()
    kept = store.put(make(), activate=True, request=ASKED)
    assert store.fitted_by(ASKED) == store.active(kept.scope) == kept


def test_two_requests_may_give_one_calibrator(store, make):
    again = FitRequest("nightly-8", "a hash")
    assert store.put(make(), request=ASKED) == store.put(make(), request=again)
    assert store.fitted_by(again) == store.fitted_by(ASKED)


def test_an_activation_and_its_calibrator_come_together(store, make):
    kept = store.put(make(), activate=True)
    assert store.snapshot().active == {kept.scope: kept}
    assert store.version() == 1
