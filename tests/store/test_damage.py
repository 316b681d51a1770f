"""A damaged record costs its own scope and no other."""

import pytest

from trueodds_service.store import SqlCalibratorStore
from trueodds_service.store.errors import CalibratorNotFound, StoreCorrupt
from trueodds_service.store.records import Damaged

DAMAGE = {
    "json that is none": "metrics = '{'",
    "json of another kind": "parameters = '[1]'",
    "another content": "method = 'temperature'",
    "no moment": "created_at = 'yesterday'",
}
# PostgreSQL lets nobody write what a type refuses.
POSSIBLE = [
    *(("sqlite", each) for each in DAMAGE),
    ("postgresql", "json of another kind"),
    ("postgresql", "another content"),
]
pytestmark = pytest.mark.parametrize(("kind", "damage"), POSSIBLE, indirect=True)


@pytest.fixture
def damage(request, behind):
    """Damages one record behind the store's back."""
    change = DAMAGE[request.param]
    return lambda calibrator_id: behind(
        f"UPDATE calibrators SET {change} WHERE id = '{calibrator_id}'"  # noqa: S608 (our own)
    )


def test_a_snapshot_has_all_others(url, make, damage):
    store = SqlCalibratorStore(url)
    whole = store.put(make(task="whole"), activate=True)
    broken = store.put(make(task="broken"), activate=True)
    damage(broken.id)
    snapshot = store.snapshot()
    assert snapshot.active == {whole.scope: whole}
    assert snapshot.damaged == {broken.scope: broken.id}


def test_a_listing_has_all_others_and_names_it(url, make, damage):
    store = SqlCalibratorStore(url)
    made = [store.put(make(task=str(number))) for number in range(3)]
    damage(made[1].id)
    page = store.list("demo-aligned", page_size=2)
    assert page.calibrators == [made[2]]
    assert page.damaged == (Damaged(made[1].id, made[1].scope),)
    rest = store.list("demo-aligned", page_size=2, page_token=page.next_page_token)
    assert (rest.calibrators, rest.next_page_token) == ([made[0]], "")


def test_another_calibrator_takes_its_scope_over(url, make, damage):
    store = SqlCalibratorStore(url)
    broken = store.put(make(), activate=True)
    damage(broken.id)
    whole = store.put(make(3.0), activate=True)
    assert store.snapshot().active == {whole.scope: whole}
    assert store.snapshot().damaged == {}


def test_it_is_found_by_name_rolled_back_and_deleted(url, make, damage):
    store = SqlCalibratorStore(url)
    first, passed, broken = (store.put(make(float(t)), activate=True) for t in (2, 3, 4))
    for each in (passed, broken):
        damage(each.id)
    assert store.find("demo-aligned", broken.id) == Damaged(broken.id, broken.scope)
    with pytest.raises(StoreCorrupt):
        store.get("demo-aligned", broken.id)
    # What is damaged as well is passed over, as what is deleted.
    assert store.rollback(broken.scope, expected_id=broken.id).calibrator_id == first.id
    assert store.snapshot().active == {first.scope: first}
    store.delete("demo-aligned", broken.id)
    with pytest.raises(CalibratorNotFound):
        store.find("demo-aligned", broken.id)
