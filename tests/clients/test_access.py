"""A server that wants keys, as the client tells of it."""

import pytest

from trueodds import Client, Method, PermissionDenied, Unauthenticated
from trueodds_service.caller import Permission
from trueodds_service.store import SqlKeyStore


@pytest.fixture
def guarded(start_service, tmp_path):
    """The address of a service that wants keys, and one that may score."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    service = start_service(access="keys")
    keys = SqlKeyStore(url)
    _, text = keys.create("scorer", tenant="acme", permissions={Permission.SCORE})
    keys.close()
    service.run(service.app._identities._keys.refresh())
    return service.app.address, text


def test_what_a_key_may_and_may_not(guarded):
    address, key = guarded
    with Client(address, api_key=key) as client:
        assert [each.name for each in client.models()] == ["models/aligned", "models/base"]
        with pytest.raises(PermissionDenied, match="takes the permission fit") as caught:
            client.fit(model="aligned", method=Method.CONSTANT, temperature=2.0, options=4)
    assert caught.value.reason == "FORBIDDEN"


@pytest.mark.parametrize("key", [None, "wrong"])
def test_who_is_not_known(guarded, key):
    address, _ = guarded
    refused = pytest.raises(Unauthenticated, match="no key or certificate")
    with Client(address, api_key=key) as client, refused as caught:
        client.models()
    assert caught.value.reason == "UNAUTHENTICATED"
