"""What is deleted is gone for callers, and what names it holds on."""

import pytest

from trueodds_service.store import (
    CalibratorNotFound,
    FitRequest,
    SqlCalibratorStore,
    StillActive,
    TooManyCalibrators,
)


def test_a_deleted_calibrator_is_not_found_nor_listed(store, make):
    kept, gone = store.put(make(1.1)), store.put(make(1.2))
    store.delete("demo-aligned", gone.id)
    assert store.list("demo-aligned", page_size=9).calibrators == [kept]
    for ask in (store.get, store.activate, store.delete):
        with pytest.raises(CalibratorNotFound, match=gone.id):
            ask("demo-aligned", gone.id)


def test_the_active_one_stays(store, make):
    active = store.put(make(), activate=True)
    with pytest.raises(StillActive, match=active.id):
        store.delete("demo-aligned", active.id)
    assert store.active(active.scope) == active
    store.rollback(active.scope)
    store.delete("demo-aligned", active.id)


def test_of_another_model_it_is_not_found(store, make):
    kept = store.put(make())
    with pytest.raises(CalibratorNotFound):
        store.delete("other", kept.id)
    assert store.get("demo-aligned", kept.id) == kept


def test_a_rollback_passes_over_what_is_deleted(store, make):
    first, second, third = (store.put(make(1 + n), activate=True) for n in range(3))
    store.delete("demo-aligned", second.id)
    assert store.rollback(first.scope).calibrator_id == first.id
    assert store.rollback(first.scope) is None
    assert store.put(third, activate=True) == third
    store.put(first, activate=True)
    store.delete("demo-aligned", third.id)
    assert store.rollback(first.scope) is None


def test_fitted_again_it_is_back(store, make):
    first = store.put(make())
    store.delete("demo-aligned", first.id)
    assert store.put(make()) == first
    assert store.get("demo-aligned", first.id) == first


def test_a_request_that_gave_it_can_be_made_again(store, make):
    request = FitRequest("nightly-7", "a hash")
    first = store.put(make(1.5), request=request)
    store.delete("demo-aligned", first.id)
    assert store.fitted_by(request) is None
    assert store.put(make(1.6), request=request).temperature == 1.6


def test_a_tenant_has_as_many_as_it_may_and_another_after_a_deletion(
    new_migrated_url, make, acting_for
):
    store = SqlCalibratorStore(new_migrated_url(), max_calibrators=2)
    first, second, third = make(), make(2.0), make(3.0)
    for each in (first, second, second):
        store.put(each)
    with pytest.raises(TooManyCalibrators):
        store.put(third)
    with acting_for("acme"):
        store.put(make(tenant="acme"))
    with pytest.raises(TooManyCalibrators):
        store.check_room()
    store.delete("demo-aligned", first.id)
    store.check_room()
    assert store.put(third) == third
    with pytest.raises(TooManyCalibrators):
        store.put(first)
    store.close()
