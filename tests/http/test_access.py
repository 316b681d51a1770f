"""Who may call over HTTP: who may over gRPC."""

import httpx
import pytest

from trueodds_service.caller import Permission
from trueodds_service.store import SqlKeyStore

LIST = "/trueodds.v1.CalibrationService/ListCalibrators"
DELETE = "/trueodds.v1.CalibrationService/DeleteCalibrator"


@pytest.fixture
def guarded(start_service, tmp_path):
    """What a service that wants keys answers to a path and a key; and a key that may score."""
    service = start_service(access="keys", http="127.0.0.1:0")
    keys = SqlKeyStore(f"sqlite:///{tmp_path}/store.sqlite")
    _, text = keys.create("scorer", tenant="acme", permissions={Permission.SCORE})
    keys.close()
    service.run(service.app._identities._keys.refresh())
    with httpx.Client(base_url=service.url, timeout=30) as client:

        def post(path, key, **fields):
            headers = {} if key is None else {"authorization": f"Bearer {key}"}
            return client.post(path, json={"model": "models/aligned", **fields}, headers=headers)

        yield post, text


def test_a_key_is_wanted_and_may_what_it_may(guarded):
    post, key = guarded
    assert post(LIST, key).status_code == 200
    for wrong in (None, "wrong"):
        refused = post(LIST, wrong)
        assert refused.status_code == 401
        assert "no key or certificate" in refused.json()["message"]
    denied = post(DELETE, key)
    assert denied.status_code == 403
    assert denied.json()["message"] == "this takes the permission fit, which key:scorer has not"
