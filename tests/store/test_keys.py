"""API keys: made, shown once, found again, replaced and revoked."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from trueodds_service.caller import Permission
from trueodds_service.store import KeyNameTaken, KeyNotFound, SqlKeyStore
from trueodds_service.store.keys import is_right, split

CAN = {Permission.SCORE, Permission.FIT}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def keys(url):
    with closing(SqlKeyStore(url)) as keys:
        yield keys


@pytest.fixture
def nightly(keys):
    """A key and its text."""
    return keys.create("nightly", tenant="acme", permissions=CAN)


def test_a_key_is_kept_as_a_hash_that_its_text_alone_gives(keys, nightly):
    key, text = nightly
    assert keys.all() == [key]
    assert keys.unrevoked() == {key.id: key}
    assert (key.name, key.tenant, key.permissions) == ("nightly", "acme", CAN)
    key_id, secret = split(text)
    assert key_id == key.id
    assert secret not in repr(key) + key.hash
    assert is_right(secret, key.hash)
    assert not is_right(secret[::-1], key.hash)
    assert split(text[:-1]) is split(f"{text}\n") is split("") is None


def test_the_same_secret_has_another_hash_in_another_key(keys, nightly):
    (_, text), (other, _) = nightly, keys.create("other", tenant="acme", permissions=CAN)
    assert not is_right(split(text)[1], other.hash)


def test_a_name_is_that_of_one_valid_key_of_a_tenant(keys, nightly):
    with pytest.raises(KeyNameTaken):
        keys.create("nightly", tenant="acme", permissions=CAN)
    keys.create("nightly", tenant="another", permissions=CAN)
    keys.revoke(nightly[0].id)
    keys.create("nightly", tenant="acme", permissions=CAN)
    keys.create("ended", tenant="acme", permissions=CAN, expires_at=LONG_AGO)
    keys.create("ended", tenant="acme", permissions=CAN)


def test_a_revoked_key_is_listed_and_not_valid(keys, nightly):
    before = keys.mark()
    revoked = keys.revoke(nightly[0].id)
    assert keys.mark() != before
    assert keys.unrevoked() == {}
    assert keys.all() == [revoked]
    for call in (keys.revoke, lambda key_id: keys.rotate(key_id, grace=timedelta())):
        with pytest.raises(KeyNotFound):
            call(revoked.id)


def test_a_key_past_its_end_is_not_valid(keys):
    key, _ = keys.create("ended", tenant="", permissions=CAN, expires_at=LONG_AGO)
    assert not keys.unrevoked()[key.id].is_valid(datetime.now(UTC))
    with pytest.raises(KeyNotFound):
        keys.revoke(key.id)


def test_a_rotated_key_ends_after_its_grace(keys, nightly):
    old, _ = nightly
    new, text = keys.rotate(old.id, grace=timedelta(hours=1))
    assert split(text)[0] == new.id != old.id
    assert (new.name, new.tenant, new.permissions) == (old.name, old.tenant, old.permissions)
    ending = keys.unrevoked()[old.id].expires_at
    assert timedelta(minutes=59) < ending - datetime.now(UTC) <= timedelta(hours=1)
    newer, _ = keys.rotate(new.id, grace=timedelta())
    assert keys.unrevoked().keys() == {old.id, newer.id}, "at once, without any"


def test_one_that_ends_is_followed_by_one_that_lasts_as_long(keys):
    end = datetime.now(UTC) + timedelta(days=30)
    old, _ = keys.create("monthly", tenant="", permissions=CAN, expires_at=end)
    new, _ = keys.rotate(old.id, grace=timedelta(days=60))
    assert new.expires_at - new.created_at == pytest.approx(timedelta(days=30), abs=timedelta(1))
    assert keys.unrevoked()[old.id].expires_at == end, "a grace makes nothing longer"
