"""Who may call what: each method of the contract, by each kind of caller, over real gRPC."""

import queue
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import grpc
import pytest
import trustme
from grpc_status import rpc_status
from tests import contract
from tests.certificates import Files, channel_credentials, of_client
from tests.conftest import _serving, details_of
from tests.contract import NOBODY

from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, scoring_pb2
from trueodds_service.caller import Permission
from trueodds_service.edge.identity.permissions import PERMISSIONS
from trueodds_service.store import SqlKeyStore, audit_log

SERVICES = {
    "ScoringService": scoring_pb2,
    "CalibrationService": calibration_pb2,
    "ModelService": model_pb2,
}
CONTRACT = {
    f"trueodds.v1.{service}/{method.name}": method
    for service, module in SERVICES.items()
    for method in module.DESCRIPTOR.services_by_name[service].methods
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
NOT_FOUND = grpc.StatusCode.NOT_FOUND


@dataclass
class Guarded:
    """A service that wants keys, and its store's keys."""

    service: object
    keys: SqlKeyStore
    url: str

    def key(self, name, *can, tenant="ours", **fields):
        """The text of a new key, once the service knows it."""
        key, text = self.keys.create(name, tenant=tenant, permissions=set(can), **fields)
        self.settle()
        return key, text

    def settle(self):
        """The service knows what the store says."""
        self.service.run(self.service.app._identities._keys.refresh())

    def call(self, method, request, metadata=()):
        """What a method answers to a request, to who sends this."""
        service, _, name = method.removeprefix("trueodds.v1.").partition("/")
        stubs = {"ScoringService": "scoring", "ModelService": "models"}
        stub = getattr(getattr(self.service, stubs.get(service, "calibration")), name)
        if CONTRACT[method].client_streaming:
            return list(stub(iter([request]), metadata=metadata, timeout=20))
        answer = stub(request, metadata=metadata, timeout=20)
        return list(answer) if CONTRACT[method].server_streaming else answer


def bearer(key, **others):
    return [("authorization", f"Bearer {key}"), *others.items()]


@pytest.fixture(scope="module")
def guarded(weights, run, tmp_path_factory):
    file = tmp_path_factory.mktemp("store") / "store.sqlite"
    with _serving(weights, run, file, access="keys") as service:
        keys = SqlKeyStore(f"sqlite:///{file}")
        yield Guarded(service, keys, f"sqlite:///{file}")
        keys.close()


@pytest.fixture(scope="module")
def all_of(guarded):
    """The metadata of one who may do everything, for a tenant."""
    return {
        tenant: bearer(guarded.key("all", Permission.SCORE, Permission.FIT, tenant=tenant)[1])
        for tenant in ("ours", "theirs")
    }


@pytest.fixture(scope="module")
def refused_keys(guarded):
    """By what is wrong with it, what one sends who is not let in."""
    revoked, revoked_text = guarded.key("revoked", *Permission)
    guarded.keys.revoke(revoked.id)
    guarded.settle()
    _, ended_text = guarded.key("ended", *Permission, expires_at=LONG_AGO)
    _, right = guarded.key("right", *Permission)
    return {
        "none": [],
        "wrong": bearer(right[:-4] + ("0000" if right[-4:] != "0000" else "1111")),
        "unknown": bearer(f"to_{'0' * 12}_{'0' * 64}"),
        "no key": bearer("a password"),
        "another scheme": [("authorization", f"Basic {right}")],
        "revoked": bearer(revoked_text),
        "expired": bearer(ended_text),
    }


@pytest.fixture(scope="module")
def request_to():
    """A request to a method; where it names a calibrator, this one."""

    def request_to(method, calibrator=f"models/aligned/calibrators/{NOBODY}"):
        return contract.request_to(method, "models/aligned", calibrator)

    return request_to


@pytest.fixture(scope="module")
def theirs(guarded, all_of):
    """An active calibrator of another tenant: its name, and what the tenant sends."""
    fit = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        method="METHOD_CONSTANT",
        temperature=3.0,
        options=4,
        activate=True,
    )
    method = "trueodds.v1.CalibrationService/FitCalibrator"
    [event] = guarded.call(method, fit, all_of["theirs"])
    return event.calibrator.name


def refusal(guarded, method, request, metadata):
    """The status that a call ends with, its words and its reason."""
    with pytest.raises(grpc.RpcError) as caught:
        guarded.call(method, request, metadata)
    status = rpc_status.from_call(caught.value)
    return caught.value.code(), status.message, details_of(status).get("reason")


def test_each_method_has_its_permission():
    assert PERMISSIONS.keys() == CONTRACT.keys()


@pytest.mark.parametrize("method", CONTRACT)
@pytest.mark.parametrize(
    "kind", ["none", "wrong", "unknown", "no key", "another scheme", "revoked", "expired"]
)
def test_who_is_not_known_is_told_so_in_the_same_words(
    guarded, refused_keys, request_to, method, kind
):
    code, words, reason = refusal(guarded, method, request_to(method), refused_keys[kind])
    assert (code, reason) == (UNAUTHENTICATED, "UNAUTHENTICATED")
    assert words == (
        "no key or certificate that is known here and valid; a key is sent as authorization: "
        "Bearer KEY"
    )


@pytest.fixture(scope="module")
def keys_without(guarded):
    """By a permission, the key of one who has all others."""
    return {
        lacking: guarded.key(f"not-{lacking}", *(set(Permission) - {lacking}))[1]
        for lacking in Permission
    }


@pytest.mark.parametrize("method", CONTRACT)
def test_who_may_not_is_told_what_is_missing(guarded, keys_without, request_to, method):
    needed = PERMISSIONS[method]
    metadata = bearer(keys_without[needed])
    code, words, reason = refusal(guarded, method, request_to(method), metadata)
    assert (code, reason) == (DENIED, "FORBIDDEN")
    assert words == f"this takes the permission {needed}, which key:not-{needed} has not"


@pytest.mark.parametrize("method", CONTRACT)
def test_to_a_tenant_anothers_calibrator_is_none(guarded, all_of, theirs, request_to, method):
    """Where a request names it, the answer is that to the name of none."""
    told = answer(guarded, method, request_to(method, theirs), all_of["ours"])
    assert theirs not in str(told)
    if NOBODY in str(request_to(method)):
        assert told == answer(guarded, method, request_to(method), all_of["ours"])
        assert told == (NOT_FOUND, "there is no such calibrator")


@pytest.mark.parametrize("name", ["authorization", "trueodds-tenant"])
def test_who_asks_is_said_once(guarded, all_of, request_to, name):
    """Of two the last was heard, and a proxy before us may have looked at the first."""
    metadata = [*all_of["ours"], (name, "x"), *([(name, "y")] if name == "trueodds-tenant" else [])]
    code, words, _ = refusal(guarded, LIST, request_to(LIST), metadata)
    assert (code, words) == (grpc.StatusCode.INVALID_ARGUMENT, f"{name}: is here twice")


def answer(guarded, method, request, metadata):
    """What a method answers; the code and the words where it refuses the request."""
    try:
        told = guarded.call(method, request, metadata)
    except grpc.RpcError as error:
        return error.code(), error.details()
    if method.endswith("/StreamScore") and told[0].HasField("error"):
        code = next(each for each in grpc.StatusCode if each.value[0] == told[0].error.code)
        return code, told[0].error.message
    return told


LIST = "trueodds.v1.CalibrationService/ListCalibrators"
GET = "trueodds.v1.CalibrationService/GetCalibrator"
DELETE = "trueodds.v1.CalibrationService/DeleteCalibrator"


def test_an_answer_is_calibrated_by_the_own_tenants_calibrator(guarded, all_of, theirs, request_to):
    method = "trueodds.v1.ScoringService/Score"
    request = request_to(method, "")
    told = {tenant: guarded.call(method, request, all_of[tenant]).answer for tenant in all_of}
    assert told["theirs"].calibrator == theirs
    assert told["ours"].calibrator == ""
    assert "the model has none" in told["ours"].raw_because


def test_an_administrator_reads_anothers_and_changes_nothing(guarded, theirs, request_to):
    _, reader = guarded.key("reader", Permission.SCORE, Permission.ADMIN, Permission.FIT)
    as_theirs = bearer(reader, **{"trueodds-tenant": "theirs"})
    [listed] = guarded.call(LIST, request_to(LIST), as_theirs).calibrators
    assert listed.name == theirs
    code, words, _ = refusal(guarded, DELETE, request_to(DELETE, theirs), as_theirs)
    assert (code, words) == (DENIED, "this takes the permission fit, which key:reader has not")
    code, _ = answer(guarded, GET, request_to(GET, theirs), bearer(reader))
    assert code == NOT_FOUND, "who does not say for whom asks for the own tenant"


def test_nobody_else_can_name_another_tenant(guarded, all_of, request_to):
    metadata = [*all_of["ours"], ("trueodds-tenant", "theirs")]
    code, words, _ = refusal(guarded, LIST, request_to(LIST), metadata)
    assert code == DENIED
    assert words == "another tenant takes the permission admin, which key:all has not"


def test_a_revoked_key_is_refused_by_every_gateway(guarded, start_service, request_to):
    key, text = guarded.key("short-lived", Permission.SCORE)
    another = start_service(store=guarded.url, access="keys")
    gateways = [guarded, Guarded(another, guarded.keys, guarded.url)]
    for gateway in gateways:
        gateway.call(LIST, request_to(LIST), bearer(text))
    guarded.keys.revoke(key.id)
    at = time.monotonic()
    for gateway in gateways:
        told = None
        while told != UNAUTHENTICATED:  # each looks by itself
            assert time.monotonic() < at + 30
            told = answer(gateway, LIST, request_to(LIST), bearer(text))
            told = told[0] if isinstance(told, tuple) else None


def test_the_audit_log_names_the_key_that_a_change_came_with(guarded, theirs):
    entries = [each for each in audit_log(guarded.url, tenant="theirs") if each.subject == theirs]
    assert [(each.caller, each.action.value) for each in entries] == [
        ("key:all", "fit"),
        ("key:all", "activate"),
    ]


def test_open_to_everybody_where_nobody_is_asked(service, request_to):
    guarded = Guarded(service, None, "")
    assert guarded.call(LIST, request_to(LIST), bearer("whatever")) is not None


def test_a_client_is_known_by_its_certificate(start_service, tmp_path, request_to):
    ca, spiffe = trustme.CA(), "spiffe://example.org/scorer"
    files = Files(tmp_path).write(ca.issue_cert("127.0.0.1"), ca)
    service = start_service(
        access="keys",
        clients=[{"certificate": spiffe, "tenant": "batch", "can": ["score"]}],
        tls=files.settings(client_ca=True),
        credentials=channel_credentials(ca, of_client(ca, spiffe)),
    )
    guarded = Guarded(service, None, "")
    assert guarded.call(LIST, request_to(LIST)) is not None
    _, words, _ = refusal(guarded, DELETE, request_to(DELETE), ())
    assert words == f"this takes the permission fit, which certificate:{spiffe} has not"
    other = channel_credentials(ca, of_client(ca, "spiffe://example.org/other"))
    with grpc.secure_channel(service.app.address, other) as channel:
        stranger = Guarded(replace(service, channel=channel), None, "")
        code, *_ = refusal(stranger, LIST, request_to(LIST), ())
    assert code == UNAUTHENTICATED


@pytest.mark.parametrize("uncalibrated", ["answered", "refused"])
def test_a_stream_ends_for_a_key_that_is_revoked(guarded, uncalibrated):
    """It may be open for days, and is charged to a key by its batches, whatever they come to."""
    key, text = guarded.key("streaming", Permission.SCORE)
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    options = [question_pb2.Option(text=each) for each in ("a", "b")]
    question = question_pb2.Question(text="Which?", options=options)
    batch = scoring_pb2.StreamScoreRequest(settings=settings, questions=[question])
    batches = queue.SimpleQueue()
    answers = guarded.service.scoring.StreamScore(iter(batches.get, None), metadata=bearer(text))
    batches.put(batch)
    assert next(answers).outcomes[0].HasField("answer")
    guarded.keys.revoke(key.id)
    guarded.settle()
    batch.settings.require_calibrated = uncalibrated == "refused"
    batches.put(batch)
    assert details_of(next(answers).error)["reason"] == "UNAUTHENTICATED"
    batches.put(None)
    assert list(answers) == []
