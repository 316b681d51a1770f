"""Who is known: by a key, as of the last look at the store, or by the names in a certificate."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from trueodds_service.caller import Caller, Permission
from trueodds_service.config import CertificateClient
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.identity import known_keys, verification
from trueodds_service.edge.identity.identities import KnownClients
from trueodds_service.edge.identity.known_keys import KnownKeys
from trueodds_service.errors import InvalidInput, Unauthenticated, Unavailable
from trueodds_service.store import SqlKeyStore, StoreUnavailable, upgrade
from trueodds_service.store.keys import is_right
from trueodds_service.store.tables import ApiKeyRow

SPIFFE = "spiffe://example.org/ns/batch/sa/scorer"


@pytest.fixture
def keys(tmp_path):
    """A store's keys."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    upgrade(url)
    with closing(SqlKeyStore(url)) as keys:
        yield keys


@pytest.fixture
def looks(monkeypatch):
    """Each time that a hash is computed, the secret it is computed of."""
    looks = []

    def counted(secret, kept):
        looks.append(secret)
        return is_right(secret, kept)

    monkeypatch.setattr(verification, "is_right", counted)
    return looks


@pytest.fixture
async def clients(keys, looks):
    """What the gate asks; it looks at the store where a test says so."""
    known = KnownKeys(keys)
    clients = KnownClients(
        known,
        [
            CertificateClient(certificate=SPIFFE, tenant="batch", can=("score", "fit")),
            CertificateClient(certificate="scorer.example", tenant="web"),
        ],
    )
    clients.look = known.refresh
    await clients.look()
    yield clients
    known.close()


def with_key(text):
    return Arrival("m", metadata={"authorization": f"Bearer {text}"})


def with_certificate(*names, **metadata):
    return Arrival("m", metadata=metadata, certificate_names=names)


def new_key(keys, name="nightly"):
    return keys.create(name, tenant="acme", permissions={Permission.SCORE})


async def test_a_key_is_hashed_once_however_many_ask_at_a_time(clients, keys, looks):
    _, text = new_key(keys)
    await clients.look()
    found = await asyncio.gather(*(clients.caller(with_key(text)) for _ in range(50)))
    assert {*found} == {Caller("acme", "key:nightly", frozenset({Permission.SCORE}))}
    await clients.caller(with_key(text))
    new_key(keys, "another")
    await clients.look()
    await clients.caller(with_key(text))
    assert len(looks) == 1, "also after another key has changed"


async def test_while_the_store_has_never_answered_nobody_is_called_unknown(keys, monkeypatch):
    _, text = new_key(keys)
    unrevoked = keys.unrevoked
    monkeypatch.setattr(known_keys, "_POLL_SECONDS", 0.001)

    def away():
        raise StoreUnavailable("away")

    monkeypatch.setattr(keys, "unrevoked", away)
    clients = KnownClients(KnownKeys(keys), [])
    await clients.start()
    with pytest.raises(Unavailable) as told:
        await clients.caller(with_key(text))
    assert told.value.reason == "STORE_UNAVAILABLE"
    monkeypatch.setattr(keys, "unrevoked", unrevoked)
    while not clients._keys._has_looked:  # noqa: ASYNC110 (what is waited for has no event)
        await asyncio.sleep(0.001)
    assert (await clients.caller(with_key(text))).name == "key:nightly"
    await clients.close()


async def test_one_who_leaves_does_not_end_the_look_of_others(clients, keys):
    _, text = new_key(keys)
    await clients.look()
    leaver, stayer = (asyncio.create_task(clients.caller(with_key(text))) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stayer).name == "key:nightly"


async def test_a_wrong_key_is_hashed_once_and_an_unknown_one_never(clients, keys, looks):
    _, text = new_key(keys)
    await clients.look()
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    for each in (wrong, wrong, f"to_{'0' * 12}_{'0' * 64}", "", "to_"):
        with pytest.raises(Unauthenticated):
            await clients.caller(with_key(each))
    assert len(looks) == 1


async def test_a_key_of_another_secret_under_the_same_id_is_another(clients, keys):
    """As where a store is put in the place of another."""
    (key, text), (other, _) = new_key(keys), new_key(keys, "other")
    await clients.look()
    await clients.caller(with_key(text))
    with keys._database.writing() as session:
        session.get(ApiKeyRow, key.id).hash = other.hash
    new_key(keys, "so that the store has changed")
    await clients.look()
    with pytest.raises(Unauthenticated):
        await clients.caller(with_key(text))


async def test_who_tries_many_secrets_is_put_off_and_another_key_is_not(clients, keys, monkeypatch):
    monkeypatch.setattr(verification, "_MAX_LOOKS", 2)
    (tried, _), (_, other) = new_key(keys), new_key(keys, "other")
    await clients.look()
    texts = [f"to_{tried.id}_{number:064x}" for number in range(3)]
    tries = [clients.caller(with_key(text)) for text in texts]
    *told, calls = await asyncio.gather(
        *tries, clients.caller(with_key(other)), return_exceptions=True
    )
    assert [type(each) for each in told] == [Unauthenticated, Unauthenticated, Unavailable]
    assert calls.name == "key:other"
    with pytest.raises(Unauthenticated):
        await clients.caller(with_key(texts[2]))


async def test_an_end_counts_whether_the_store_is_looked_at_or_not(clients, keys, monkeypatch):
    end = datetime.now(UTC) + timedelta(hours=1)
    _, text = keys.create("ends", tenant="", permissions={Permission.SCORE}, expires_at=end)
    await clients.look()
    await clients.caller(with_key(text))

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return end

    monkeypatch.setattr(known_keys, "datetime", Later)
    with pytest.raises(Unauthenticated):
        await clients.caller(with_key(text))


async def test_one_that_is_revoked_while_it_is_hashed_is_refused(clients, keys, monkeypatch):
    key, text = new_key(keys)
    await clients.look()
    asked = asyncio.create_task(clients.caller(with_key(text)))
    await asyncio.sleep(0)
    keys.revoke(key.id)
    clients._keys._unrevoked = keys.unrevoked()
    with pytest.raises(Unauthenticated):
        await asked


async def test_while_the_store_is_away_valid_keys_go_on(clients, keys, monkeypatch, looks):
    (_, used), (_, unused) = new_key(keys), new_key(keys, "unused")
    await clients.look()
    await clients.caller(with_key(used))

    def away(self):
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(SqlKeyStore, "mark", away)
    with pytest.raises(Unavailable):
        await clients.look()
    assert (await clients.caller(with_key(used))).name == "key:nightly"
    assert (await clients.caller(with_key(unused))).name == "key:unused"


async def test_a_certificate_is_known_by_any_of_its_names(clients):
    found = await clients.caller(with_certificate("other.example", SPIFFE))
    can = frozenset({Permission.SCORE, Permission.FIT})
    assert found == Caller("batch", f"certificate:{SPIFFE}", can)
    web = await clients.caller(with_certificate("scorer.example"))
    assert (web.tenant, web.permissions) == ("web", {Permission.SCORE})


@pytest.mark.parametrize(
    "arrival",
    [
        with_certificate(),
        with_certificate("other.example"),
        with_certificate(SPIFFE, "scorer.example"),
        with_certificate(SPIFFE, authorization="Bearer wrong"),
        with_certificate(SPIFFE, authorization=""),
    ],
    ids=["no name", "an unknown one", "those of two clients", "with a wrong key", "an empty one"],
)
async def test_whoever_else_is_nobody(clients, arrival):
    with pytest.raises(Unauthenticated):
        await clients.caller(arrival)


async def test_a_tenant_that_none_can_be_is_refused(keys, clients):
    _, text = keys.create("reader", tenant="", permissions=set(Permission))
    await clients.look()
    metadata = {"authorization": f"Bearer {text}", "trueodds-tenant": "../acme"}
    with pytest.raises(InvalidInput) as caught:
        await clients.caller(Arrival("m", metadata=metadata))
    assert caught.value.field == "trueodds-tenant"
