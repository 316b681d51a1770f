"""Every method of the contract, by everybody who may not call it, and about another tenant."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import trustme
from google.protobuf.message import Message
from tests.certificates import Files, channel_credentials
from tests.contract import NOBODY, request_to

from trueodds.v1 import calibration_pb2, scoring_pb2
from trueodds_service.caller import Permission
from trueodds_service.edge.identity.permissions import PERMISSIONS
from trueodds_service.store import SqlKeyStore, audit_log
from verification.chaos.alone import Gateway, gateway
from verification.chaos.http_door import OWN_PATHS, HttpDoor, NoConnectionError, forms, pages
from verification.chaos.record import Result
from verification.chaos.service import MODEL
from verification.fuzz.calls import METHODS, Call, Ending, send

TRIES = 1
_CALL_SECONDS = 60.0
_LOOK_SECONDS = 0.1
# A key, new or revoked, counts within a second; a machine can be busy.
_KNOWN_SECONDS = 30.0
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_OURS, _THEIRS = "ours", "theirs"
_NOBODYS = f"models/{MODEL}/calibrators/{NOBODY}"

_Metadata = Sequence[tuple[str, str]]
_Asked = tuple[str, str, _Metadata, bytes | None]


def _bearer(key: str, **others: str) -> _Metadata:
    return [("authorization", f"Bearer {key}"), *others.items()]


Door = Callable[[Call], Ending]
"""Somebody who calls, over gRPC or over HTTP."""


@dataclass
class _Service:
    """A gateway that wants certificates and keys, and who calls it."""

    result: Result
    door: Door
    strangers: Mapping[str, Door]
    """By what is wrong with the certificate that they show."""
    keys: SqlKeyStore
    store: str

    def key(self, name: str, *can: Permission, tenant: str = _OURS) -> _Metadata:
        """What one sends who has a new key, once the gateway knows it."""
        _, text = self.keys.create(name, tenant=tenant, permissions=set(can))
        self.until(grpc.StatusCode.UNAUTHENTICATED, _bearer(text), is_told=False)
        return _bearer(text)

    def until(self, code: grpc.StatusCode, metadata: _Metadata, *, is_told: bool) -> None:
        """Waits until who sends this is told the code, or is not. Raises TimeoutError."""
        end = time.monotonic() + _KNOWN_SECONDS
        while (self.told("GetModel", metadata).code is code) != is_told:
            if time.monotonic() > end:
                raise TimeoutError("the gateway does not learn of a key")
            time.sleep(_LOOK_SECONDS)

    def told(
        self,
        method: str,
        metadata: _Metadata,
        request: Any = None,
        door: Door | None = None,
    ) -> Ending:
        """How a call ends; of the request that is right but for a name, unless another is given."""
        request = request or request_to(method, f"models/{MODEL}", _NOBODYS)
        call = Call(METHODS[method], request.SerializeToString(), _CALL_SECONDS, metadata=metadata)
        self.result.count("calls")
        return (door or self.door)(call)

    def refused(self, kind: str, method: str, ending: Ending, code: str, words: str = "") -> None:
        """Counts a call that has not ended so."""
        said = "" if ending.status is None else ending.status.message
        if ending.code.name != code or ending.responses or words not in said:
            self.result.wrong += 1
            self.result.note(f"{method}, {kind}: {ending.code.name} {said}")


def credentials(tries: int = TRIES) -> Result:
    """Over gRPC."""
    return _drill(Result("credentials"), tries, _over_grpc)


def http_credentials(tries: int = TRIES) -> Result:
    """Over HTTP: every method as JSON, the paths of decisions, and the console's pages."""
    return _drill(Result("http-credentials"), tries, _over_http)


def _drill(result: Result, tries: int, over: "_Over") -> Result:
    """Each try is all of it, with a gateway and a store of its own."""
    for _ in range(tries):
        with _served(result, over) as service:
            them = service.key("theirs", Permission.SCORE, Permission.FIT, tenant=_THEIRS)
            calibrator, receipt = _theirs(service, them)
            before = _changes(service)
            _check_strangers(service)
            _check_who_may_not(service)
            if _changes(service) != before:
                result.wrong += 1
                result.note("who was refused has changed something")
            _check_other_tenant(service, calibrator, receipt)
            if _changes(service, _THEIRS) != before:
                result.wrong += 1
                result.note("another tenant has changed something")
            if isinstance(service.door, HttpDoor):
                _check_other_paths(service, service.door, them, calibrator.rpartition("/")[2])
            _check_own_tenant(service, them, calibrator, receipt)
        result.tries += 1
    return result


@contextlib.contextmanager
def _served(result: Result, over: "_Over") -> Iterator[_Service]:
    ca, other = trustme.CA(), trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    shown = {
        "no certificate": None,
        "an expired certificate": ca.issue_cert("scorer.example", not_after=yesterday),
        "a certificate of another CA": other.issue_cert("scorer.example"),
    }
    with tempfile.TemporaryDirectory(prefix="chaos") as folder, contextlib.ExitStack() as stack:
        files = Files(Path(folder)).write(ca.issue_cert("localhost", "127.0.0.1"), ca)
        tls = files.settings(client_ca=True)
        target = stack.enter_context(gateway(access="keys", tls=tls))

        yield _Service(
            result,
            over(stack, target, ca, ca.issue_cert("scorer.example")),
            {kind: over(stack, target, ca, own) for kind, own in shown.items()},
            stack.enter_context(contextlib.closing(SqlKeyStore(target.store))),
            target.store,
        )


_Over = Callable[[contextlib.ExitStack, Gateway, trustme.CA, trustme.LeafCert | None], Door]


def _over_grpc(
    stack: contextlib.ExitStack, target: Gateway, ca: trustme.CA, own: trustme.LeafCert | None
) -> Door:
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    trusted = channel_credentials(ca, own)
    channel = stack.enter_context(grpc.secure_channel(target.address, trusted, options))
    return lambda call: send(channel, [call])[0]


def _over_http(
    stack: contextlib.ExitStack, target: Gateway, ca: trustme.CA, own: trustme.LeafCert | None
) -> Door:
    door = HttpDoor.at(target.http_address, ca, own)
    stack.enter_context(door.client)
    return door


def _changes(service: _Service, tenant: str | None = None) -> list[str]:
    """All that was changed, but for keys."""
    entries = audit_log(service.store, tenant=tenant)
    return [str(each) for each in entries if not each.subject.startswith("keys/")]


def _theirs(service: _Service, metadata: _Metadata) -> tuple[str, bytes]:
    """What another tenant has: the name of an active calibrator, and a receipt."""
    fit = request_to("FitCalibrator", f"models/{MODEL}", "")
    theirs = calibration_pb2.FitCalibratorRequest(temperature=3.0, activate=True)
    fit.MergeFrom(theirs)
    (*_, fitted) = service.told("FitCalibrator", metadata, fit).responses
    score = request_to("Score", f"models/{MODEL}", fitted.calibrator.name)
    score.MergeFrom(scoring_pb2.ScoreRequest(settings=scoring_pb2.ScoreSettings(receipts=True)))
    [scored] = service.told("Score", metadata, score).responses
    return fitted.calibrator.name, scored.answer.receipt


def _check_strangers(service: _Service) -> None:
    """A stranger is told so, in the same words whatever is wrong; one without a certificate is not
    even heard.
    """
    right = service.key("right", *Permission)
    text = right[0][1].removeprefix("Bearer ")
    revoked, revoked_text = service.keys.create(
        "revoked", tenant=_OURS, permissions=set(Permission)
    )
    service.until(grpc.StatusCode.OK, _bearer(revoked_text), is_told=True)
    service.keys.revoke(revoked.id)
    service.until(grpc.StatusCode.UNAUTHENTICATED, _bearer(revoked_text), is_told=True)
    _, ended = service.keys.create(
        "ended", tenant=_OURS, permissions=set(Permission), expires_at=_LONG_AGO
    )
    kinds = _strangers(text, revoked_text, ended)
    for method in METHODS:
        for kind, metadata in kinds.items():
            told = service.told(method, metadata)
            service.refused(kind, method, told, "UNAUTHENTICATED", _WHO_IS_NOT_KNOWN)
        for kind, door in service.strangers.items():
            told = service.told(method, right, door=door)
            service.refused(kind, method, told, "UNAVAILABLE")
            if told.status is not None:
                service.result.wrong += 1
                service.result.note(f"{method}, {kind}: the service itself has answered")
    if isinstance(service.door, HttpDoor):
        _check_strangers_at_other_paths(service, service.door, kinds, right)


def _strangers(text: str, revoked_text: str, ended: str) -> Mapping[str, _Metadata]:
    """What those send who are not known, who know of a right, a revoked and an expired key."""
    return {
        "no key": [],
        "a wrong key": _bearer(text[:-1] + ("0" if text[-1] != "0" else "1")),
        "an unknown key": _bearer(f"to_{'0' * 12}_{'0' * 64}"),
        "what is no key": _bearer("a password"),
        "another scheme": [("authorization", f"Basic {text}")],
        "a revoked key": _bearer(revoked_text),
        "an expired key": _bearer(ended),
    }


_WHO_IS_NOT_KNOWN = (
    "no key or certificate that is known here and valid; a key is sent as authorization: Bearer KEY"
)


def _check_who_may_not(service: _Service) -> None:
    """A caller without a permission is told which; one that may not name a tenant, that."""
    lacking = {
        permission: service.key(f"not-{permission}", *(set(Permission) - {permission}))
        for permission in Permission
    }
    for name, method in METHODS.items():
        needed = PERMISSIONS[method.path.removeprefix("/")]
        told = service.told(name, lacking[needed])
        words = f"this takes the permission {needed}, which key:not-{needed} has not"
        service.refused("another permission", name, told, "PERMISSION_DENIED", words)
        named = [*lacking[Permission.ADMIN], ("trueodds-tenant", _THEIRS)]
        told = service.told(name, named)
        words = "another tenant takes the permission admin, which key:not-admin has not"
        service.refused("a tenant that is not its own", name, told, "PERMISSION_DENIED", words)


def _check_strangers_at_other_paths(
    service: _Service, door: HttpDoor, kinds: Mapping[str, _Metadata], right: _Metadata
) -> None:
    """401 at the paths of decisions; a page sends a browser to where it signs in."""
    for kind, headers in kinds.items():
        for path, (_, body) in OWN_PATHS.items():
            _expect(service, door, kind, ("POST", path, headers, body), 401)
        # A form says that it comes from a page of the console's: else it is refused for that.
        own = [*headers, ("origin", str(door.client.base_url).rstrip("/"))]
        asked: list[_Asked] = [("GET", path, headers, None) for path in pages(NOBODY)]
        for each in [*asked, *(("POST", path, own, b"") for path in forms())]:
            told = _expect(service, door, kind, each, 303)
            if told is not None and not told.headers["location"].startswith("/console/sign-in"):
                service.result.wrong += 1
                service.result.note(f"{each[1]}, {kind}: sent to {told.headers['location']}")
    for kind, stranger in service.strangers.items():
        assert isinstance(stranger, HttpDoor)  # noqa: S101 (all are at the same door)
        for path in (*OWN_PATHS, *pages(NOBODY), "/healthz", "/console/sign-in"):
            _expect(service, stranger, kind, ("GET", path, right, None))


def _check_other_paths(service: _Service, door: HttpDoor, them: _Metadata, calibrator: str) -> None:
    """Who lacks a permission is told 403, and nobody anything of another tenant's."""
    metadata = service.key("ours-at-pages", Permission.SCORE, Permission.FIT)
    lacking = {
        permission: service.key(f"without-{permission}", *(set(Permission) - {permission}))
        for permission in (Permission.SCORE, Permission.FIT, Permission.ADMIN)
    }
    named = [*metadata, ("trueodds-tenant", _THEIRS)]
    for path, (needed, body) in OWN_PATHS.items():
        for kind, headers in (("a permission", lacking[needed]), ("its own tenant", named)):
            _expect(service, door, f"without {kind}", ("POST", path, headers, body), 403)
        told = _expect(service, door, "its own", ("POST", path, metadata, body), 200, 400)
        if told is not None and calibrator in told.text:
            service.result.wrong += 1
            service.result.note(f"{path} tells of another tenant's calibrator")
    of_nobody = pages(NOBODY)
    for path, about_nothing in zip(pages(calibrator), of_nobody, strict=True):
        needed = of_nobody[about_nothing]
        for kind, headers in (("a permission", lacking[needed]), ("its own tenant", named)):
            _expect(service, door, f"without {kind}", ("GET", path, headers, None), 403)
        told = _expect(service, door, "another's", ("GET", path, metadata, None), *_OF_PAGES)
        nothing = _expect(service, door, "none", ("GET", about_nothing, metadata, None), *_OF_PAGES)
        own = _expect(service, door, "its own", ("GET", path, them, None), *_OF_PAGES)
        if told is None or nothing is None or own is None:
            continue
        if told.status_code != nothing.status_code or (
            path == about_nothing and calibrator in told.text
        ):
            service.result.wrong += 1
            service.result.note(f"{path} tells of another tenant's calibrator")
        if path == "/console/calibrators" and calibrator not in own.text:
            service.result.wrong += 1
            service.result.note(f"{path} does not tell its owner of it")
        if path != about_nothing and (told.status_code, own.status_code) != (404, 200):
            service.result.wrong += 1
            service.result.note(f"{path}: {told.status_code}, and its owner {own.status_code}")


# The live page takes the permission admin, and what is compared has to be named.
_OF_PAGES = (200, 400, 403, 404)


def _expect(
    service: _Service, door: HttpDoor, kind: str, asked: _Asked, *statuses: int
) -> httpx.Response | None:
    """The answer; none where nobody answers, which is right where no status is."""
    service.result.count("calls")
    verb, path, headers, content = asked
    try:
        told = door.ask(verb, path, headers, content)
    except NoConnectionError:
        told = None
    if (told is None) != (not statuses) or (told is not None and told.status_code not in statuses):
        service.result.wrong += 1
        service.result.note(f"{verb} {path}, {kind}: {told}")
    return told


def _check_other_tenant(service: _Service, calibrator: str, receipt: bytes) -> None:
    """What is asked about another tenant's is answered as what is asked about nothing."""
    metadata = service.key("ours", Permission.SCORE, Permission.FIT)
    for name in METHODS:
        asked, about_nothing = _about(name, calibrator, receipt)
        told = service.told(name, metadata, asked)
        if calibrator.rpartition("/")[2] in str(told):
            service.result.wrong += 1
            service.result.note(f"{name} tells of another tenant's calibrator")
        of_theirs, of_nothing = _said(told), _said(service.told(name, metadata, about_nothing))
        if asked != about_nothing and of_theirs != of_nothing:
            service.result.wrong += 1
            service.result.note(f"{name}: {of_theirs} of another's, of nothing {of_nothing}")


def _check_own_tenant(
    service: _Service, metadata: _Metadata, calibrator: str, receipt: bytes
) -> None:
    """The same requests find something where they may: else the others would show nothing. What
    is found may not do: here is no teacher to check a calibrator with.
    """
    for name in [name for name in METHODS if name not in _AT_LAST] + _AT_LAST:
        asked, about_nothing = _about(name, calibrator, receipt)
        if asked == about_nothing:
            continue
        nothing = _said(service.told(name, metadata, about_nothing))
        if _said(service.told(name, metadata, asked)) == nothing:
            service.result.wrong += 1
            service.result.note(f"{name} does not find what is the caller's own")


# What takes the calibrator away.
_AT_LAST = ["RollbackCalibrator", "DeleteCalibrator"]


def _about(method: str, calibrator: str, receipt: bytes) -> tuple[Message, Message]:
    """Requests about these, and about what there is not; the same where a method names neither."""
    model, forged = f"models/{MODEL}", bytes([*receipt[:-1], receipt[-1] ^ 1])
    return (
        request_to(method, model, calibrator, receipt),
        request_to(method, model, _NOBODYS, forged),
    )


def _said(ending: Ending) -> list[tuple[int, str]]:
    """The codes and words of a call and of what is wrong with its parts; nothing where all is
    right.
    """
    found = [ending.status] if ending.status is not None else []
    for response in ending.responses:
        found += [each.error for each in getattr(response, "errors", ()) if each.HasField("error")]
        if "error" in response.DESCRIPTOR.fields_by_name and response.HasField("error"):
            found.append(response.error)
    return [(each.code, each.message) for each in found]
