"""Certificates and the CAs they are from change under load, as an operator changes them."""

import contextlib
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import trustme
from tests.certificates import Files, serial, shown

from trueodds import Client, TrueoddsError
from trueodds.options import ConnectionOptions
from verification.chaos.alone import Gateway, gateway
from verification.chaos.load import QUESTIONS, load
from verification.chaos.record import Result
from verification.chaos.service import MODEL

TRIES = 10
_CALL_SECONDS = 30.0
_LOOK_SECONDS = 0.05
# How long the certificate on disk is not that of the key beside it.
_HALF_WRITTEN_SECONDS = 0.5
_MOST_SECONDS = 5.0


class _Authority:
    """One of the CAs, and the files of a client whose certificate is from it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.ca = trustme.CA()
        self.client = self.ca.issue_cert("scorer.example")
        self.files = Files(folder).write(self.client)

    def options(self, trusted: Path) -> ConnectionOptions:
        return {"ca": trusted, "cert": self.files.cert, "cert_key": self.files.key}


class _Server:
    """The files that the gateway reads, by way of a link that can be switched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.files = Files(folder / "live")

    def switch(self, own: trustme.LeafCert, *client_cas: trustme.CA) -> None:
        """To other files, all at once, as Kubernetes does it."""
        self._count += 1
        target, link = self._folder / str(self._count), self._folder / "link"
        target.mkdir()
        files = Files(target).write(own)
        files.client_ca.write_bytes(_pem(*client_cas))
        link.symlink_to(target)
        link.replace(self._folder / "live")

    def overwrite(self, own: trustme.LeafCert) -> None:
        """One file after the other, with a while between them."""
        before = self.files.key.read_bytes()
        self.files.write(own)
        after = self.files.key.read_bytes()
        self.files.key.write_bytes(before)
        time.sleep(_HALF_WRITTEN_SECONDS)  # as long as somebody needs to copy the other one
        self.files.key.write_bytes(after)

    def trust(self, *client_cas: trustme.CA) -> None:
        self.files.client_ca.write_bytes(_pem(*client_cas))


class _Newcomer:
    """A caller who connects for each question, and what it shows there."""

    def __init__(self, target: Gateway, result: Result, options: ConnectionOptions) -> None:
        self._target, self._result = target, result
        self._options = options
        self._stop = threading.Event()
        self._answered = threading.Condition()
        self._last: ConnectionOptions | None = None

    def use(self, options: ConnectionOptions) -> None:
        """From now on; returns once it has been answered so."""
        with self._answered:
            self._options = options
            if not self._answered.wait_for(lambda: self._last is options, 2 * _CALL_SECONDS):
                self._fault("who connects anew is not answered any more")

    @contextlib.contextmanager
    def asking(self) -> Iterator["_Newcomer"]:
        thread = threading.Thread(target=self._ask, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(2 * _CALL_SECONDS)

    def _ask(self) -> None:
        while not self._stop.is_set():
            options = self._options
            if said := _refusal(self._target, options):
                self._fault(f"who connects anew was told {said!r}")
                continue
            self._result.count("new connections answered")
            with self._answered:
                self._last = options
                self._answered.notify_all()

    def _fault(self, note: str) -> None:
        self._result.wrong += 1
        self._result.note(note)


def certificates(tries: int = TRIES) -> Result:
    """Each try changes the CA and the certificates of it, of the server and of clients: no call
    fails, who connects sees the new one, and who shows one of the old CA is refused at last.
    """
    result = Result("changed-certificates-sqlite")
    with tempfile.TemporaryDirectory(prefix="chaos") as name:
        folder = Path(name)
        authorities = [_Authority(folder / f"ca{number}") for number in range(tries + 1)]
        # A client that connects again trusts the next CA before there is a certificate of it.
        trusted = folder / "trusted.crt"
        trusted.write_bytes(_pem(*(each.ca for each in authorities)))
        server, first = _Server(folder), authorities[0].options(trusted)
        server.switch(_of_server(authorities[0].ca), authorities[0].ca)
        with (
            gateway(tls=server.files.settings(client_ca=True)) as target,
            load(target, result, retries=0, **first) as running,
            _Newcomer(target, result, first).asking() as newcomer,
        ):
            for old, new in pairwise(authorities):
                own = _of_server(new.ca)
                server.trust(old.ca, new.ca)
                if result.tries % 2:
                    server.overwrite(own)
                else:
                    server.switch(own, old.ca, new.ca)
                result.recoveries.append(_seconds_until_shown(target, own, new, result))
                newcomer.use(new.options(trusted))
                server.trust(new.ca)
                if not _refusal(target, old.options(trusted)):
                    result.wrong += 1
                    result.note("a certificate of the CA of before still opens a connection")
                running.recovered(time.monotonic())
                result.tries += 1
    if failed := sum(count for what, count in result.seen.items() if what.startswith("told ")):
        result.wrong += 1
        result.note(f"{failed:.0f} calls failed")
    return result


def _seconds_until_shown(
    target: Gateway, own: trustme.LeafCert, new: _Authority, result: Result
) -> float:
    began = time.monotonic()
    while (waited := time.monotonic() - began) < _MOST_SECONDS:
        with contextlib.suppress(ssl.SSLCertVerificationError):  # it is of the old CA still
            if shown(target.address, new.ca, new.client) == serial(own):
                return waited
        time.sleep(_LOOK_SECONDS)
    result.wrong += 1
    result.note("a new connection does not see the new certificate")
    return waited


def _refusal(target: Gateway, options: ConnectionOptions) -> TrueoddsError | None:
    """What one who connects so is told, if not the answer."""
    with Client(target.address, retries=0, **options) as client:
        try:
            client.score(QUESTIONS[0], model=MODEL, timeout=_CALL_SECONDS)
        except TrueoddsError as error:
            return error
    return None


def _of_server(ca: trustme.CA) -> trustme.LeafCert:
    return ca.issue_cert("localhost", "127.0.0.1")


def _pem(*cas: trustme.CA) -> bytes:
    return b"".join(ca.cert_pem.bytes() for ca in cas)
