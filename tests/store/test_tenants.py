"""To a tenant, the calibrators of another do not exist."""

import base64
from contextlib import closing

import pytest

from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import (
    BadPageToken,
    CalibratorNotFound,
    FitRequest,
    NothingActive,
    SqlCalibratorStore,
    export_store,
    import_store,
)


@pytest.fixture
def theirs(store, make, acting_for):
    """The calibrator of a tenant, which is active; of a request that has a name."""
    with acting_for("theirs"):
        return store.put(make(tenant="theirs"), activate=True, request=FitRequest("nightly", "a"))


@pytest.mark.parametrize("tenant", ["", "ours"])
def test_nothing_tells_of_anothers(store, acting_for, theirs, tenant):
    with acting_for(tenant):
        for call in (store.get, store.find, store.activate, store.delete):
            with pytest.raises(CalibratorNotFound) as caught:
                call("demo-aligned", theirs.id)
            with pytest.raises(CalibratorNotFound) as nothing:
                call("demo-aligned", "0f" * 8)
            said = str(nothing.value).replace("0f" * 8, theirs.id)
            assert str(caught.value) == said, "there is nothing, in the same words"
        assert store.list("demo-aligned", page_size=10) == ([], "", ())
        assert store.active(theirs.scope) is None
        assert store.history(theirs.scope) == []
        with pytest.raises(NothingActive):
            store.rollback(theirs.scope)
        assert store.fitted_by(FitRequest("nightly", "a")) is None
        with pytest.raises(ValueError, match="another tenant"):
            store.put(theirs)
    with acting_for("theirs"):
        assert store.active(theirs.scope) == theirs


def test_the_same_content_of_two_tenants_is_two_calibrators(store, make, acting_for, theirs):
    """Also under the same name of a request, which tells neither of the other's."""
    with acting_for("ours"):
        ours = store.put(make(tenant="ours"), activate=True, request=FitRequest("nightly", "b"))
    default = store.put(make(), request=FitRequest("nightly", "c"))
    assert len({ours.id, theirs.id, default.id}) == len((ours, theirs, default))
    with acting_for("ours"):
        assert store.list("demo-aligned", page_size=10).calibrators == [ours]
        assert store.fitted_by(FitRequest("nightly", "b")) == ours
        assert store.rollback(ours.scope) is None
        store.delete("demo-aligned", ours.id)
    assert store.snapshot().active == {theirs.scope: theirs}


def test_each_page_has_the_own_ones_alone(store, make, acting_for):
    for number in range(1, 5):
        for tenant in ("", "ours"):
            with acting_for(tenant):
                store.put(make(number, tenant=tenant))
    with acting_for("ours"):
        found, token = [], ""
        while True:
            page = store.list("demo-aligned", page_size=3, page_token=token)
            found += page.calibrators
            token = page.next_page_token
            if not token:
                break
    assert found == [make(number, tenant="ours") for number in (4, 3, 2, 1)]


def test_a_page_token_tells_of_no_other_tenant(store, make, acting_for):
    """Where others have fitted before it is the same, and it is of no use to them."""
    with acting_for("ours"):
        for number in (1, 2):
            store.put(make(number, tenant="ours"))
        first = store.list("demo-aligned", page_size=1).next_page_token
    with acting_for("theirs"):
        store.put(make(3, tenant="theirs"))
        with pytest.raises(BadPageToken):
            store.list("demo-aligned", page_size=1, page_token=first)
    with acting_for("ours"):
        store.put(make(2, tenant="ours"))
        assert store.list("demo-aligned", page_size=1).next_page_token == first
        assert str(store.put(make(2, tenant="ours")).id) in str(base64.b64decode(first))


def test_an_archive_keeps_whose_each_is(url, store, make, acting_for, theirs, tmp_path, new_url):
    default = store.put(make(), activate=True, request=FitRequest("nightly", "c"))
    export_store(url, tmp_path / "kept.jsonl")
    other = new_url()
    import_store(other, tmp_path / "kept.jsonl", check_could_be_kept)
    with closing(SqlCalibratorStore(other)) as there:
        assert there.snapshot().active == {default.scope: default, theirs.scope: theirs}
        assert there.fitted_by(FitRequest("nightly", "c")) == default
        assert there.list("demo-aligned", page_size=10).calibrators == [default]
        with acting_for("theirs"):
            assert there.fitted_by(FitRequest("nightly", "a")) == theirs
    export_store(other, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "kept.jsonl").read_bytes()
