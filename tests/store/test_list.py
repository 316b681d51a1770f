"""Listing, page by page."""

import base64

import pytest

from trueodds_service.store import BadPageToken, StoreError


def pages(store, size, between=lambda: None, **query):
    """All calibrators of a listing; ``between`` is called between two pages."""
    found, token = [], ""
    while True:
        page = store.list("demo-aligned", page_size=size, page_token=token, **query)
        assert len(page.calibrators) <= size
        found += page.calibrators
        token = page.next_page_token
        if not token:
            return found
        between()


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 100])
def test_pages_give_each_calibrator_once_the_last_put_first(store, make, size):
    put = [store.put(make(1 + i)) for i in range(6)]
    store.put(make(1, model="other"))
    assert pages(store, size) == put[::-1]


def test_calibrators_put_meanwhile_neither_repeat_nor_hide_others(store, make):
    put = [store.put(make(1 + i)) for i in range(5)]
    new = iter(range(100, 200))
    found = pages(store, 2, between=lambda: store.put(make(next(new))))
    assert found == put[::-1]
    assert next(new) > 100


def test_a_task_keeps_its_own_and_the_empty_one_keeps_defaults(store, make):
    default, anatomy, law = (store.put(make(task=task)) for task in ("", "anatomy", "law"))
    assert pages(store, 1) == [law, anatomy, default]
    assert pages(store, 1, task="anatomy") == [anatomy]
    assert pages(store, 1, task="") == [default]
    assert pages(store, 1, task="history") == []


def test_a_full_last_page_has_no_token(store, make):
    store.put(make(1))
    store.put(make(2))
    assert store.list("demo-aligned", page_size=2).next_page_token == ""


def test_a_model_without_calibrators_has_an_empty_page(store):
    assert store.list("nobody", page_size=5) == ([], "", ())


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "?",
        "abc",
        "é",
        "A" * 100_000,
        encoded("[" * 50_000),
        encoded("null"),
        encoded('["demo-aligned", null]'),
        encoded('["demo-aligned", null, "3"]'),
        encoded('["demo-aligned", null, "\\u0000"]'),
        encoded('["demo-aligned", null, true]'),
        encoded('["demo-aligned", null, 1]'),
    ],
)
def test_a_damaged_token_is_refused(store, make, token):
    store.put(make())
    with pytest.raises(BadPageToken):
        store.list("demo-aligned", page_size=1, page_token=token)


def test_a_token_of_another_listing_is_refused(store, make):
    store.put(make(1))
    store.put(make(2))
    token = store.list("demo-aligned", page_size=1).next_page_token
    for model, task in (("other", None), ("demo-aligned", "")):
        with pytest.raises(BadPageToken, match="another"):
            store.list(model, task=task, page_size=1, page_token=token)


def test_a_bad_token_is_a_value_error_and_a_store_error():
    assert issubclass(BadPageToken, ValueError)
    assert issubclass(BadPageToken, StoreError)


@pytest.mark.parametrize("size", [0, -1])
def test_a_page_without_room_is_refused(store, size):
    with pytest.raises(ValueError, match="page_size"):
        store.list("demo-aligned", page_size=size)
