"""Who asks: anyone, or who shows a key or a certificate that is known here."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from trueodds_service.caller import ANYONE, NAME, Caller, Permission
from trueodds_service.config import CertificateClient
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.identity.known_keys import KnownKeys
from trueodds_service.errors import Forbidden, InvalidInput, Unauthenticated

# An administrator reads another tenant's things by naming it here.
TENANT = "trueodds-tenant"

_SCHEME = "bearer"
# One for all: a caller who guesses learns nothing about what was wrong.
_REFUSAL = (
    "no key or certificate that is known here and valid; a key is sent as authorization: Bearer KEY"
)


class Identities(Protocol):
    """Who is known. Use it inside one event loop."""

    async def caller(self, arrival: Arrival) -> Caller:
        """Who has sent it.

        Raises Unauthenticated, and Forbidden where a tenant is named that is not theirs.
        """
        ...

    def check(self, arrival: Arrival) -> None:
        """Raises Unauthenticated where who has sent it was known, and is no longer."""
        ...

    async def start(self) -> None:
        """Learns who is known, later where the store is away; raises the store's other errors."""
        ...

    async def close(self) -> None:
        """Learns nothing more."""
        ...


class Everybody(Identities):
    """Where nobody is asked who they are."""

    async def caller(self, arrival: Arrival) -> Caller:
        return for_tenant(ANYONE, arrival.metadata)

    def check(self, arrival: Arrival) -> None:
        """There is nobody who is not known."""

    async def start(self) -> None:
        """There is nothing to learn."""

    async def close(self) -> None:
        """There was nothing."""


class KnownClients(Identities):
    """Who holds a key of the store, or has a certificate that the configuration names."""

    def __init__(self, keys: KnownKeys, clients: Sequence[CertificateClient]) -> None:
        self._keys = keys
        self._certificates = {
            each.certificate: Caller(
                each.tenant, f"certificate:{each.certificate}", frozenset(each.can)
            )
            for each in clients
        }
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._keys.open()
        self._following = asyncio.create_task(self._keys.follow())

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        self._keys.close()

    async def caller(self, arrival: Arrival) -> Caller:
        said = arrival.metadata.get("authorization")
        # A key that is wrong is refused, whatever the certificate says.
        if said is not None:
            found = await self._by_key(said)
        else:
            found = self._by_certificate(arrival.certificate_names)
        if found is None:
            raise Unauthenticated(_REFUSAL)
        return for_tenant(found, arrival.metadata)

    def check(self, arrival: Arrival) -> None:
        # A certificate is that of a connection, as long as it is open.
        said = arrival.metadata.get("authorization")
        if said is not None and not self._keys.still_knows(_key_in(said)):
            raise Unauthenticated(_REFUSAL)

    async def _by_key(self, said: str) -> Caller | None:
        key = _key_in(said)
        return await self._keys.caller(key) if key else None

    def _by_certificate(self, names: Sequence[str]) -> Caller | None:
        """None also where its names are those of several clients: which one is not guessed."""
        found = {self._certificates[name] for name in names if name in self._certificates}
        return found.pop() if len(found) == 1 else None


def _key_in(said: str) -> str:
    """The key in a header; empty where it holds none."""
    scheme, _, key = said.partition(" ")
    return key.strip() if scheme.lower() == _SCHEME else ""


def for_tenant(caller: Caller, metadata: Mapping[str, str]) -> Caller:
    """Who reads for the tenant that is named, as an administrator may; else the same caller.

    Raises Forbidden, and InvalidInput at what can be no tenant's name.
    """
    tenant = metadata.get(TENANT, caller.tenant)
    if tenant == caller.tenant:
        return caller
    if tenant and not NAME.fullmatch(tenant):
        raise InvalidInput(TENANT, f"has to match {NAME.pattern}")
    if Permission.ADMIN not in caller.permissions:
        raise Forbidden(f"another tenant takes the permission admin, which {caller.name} has not")
    scores = frozenset({Permission.SCORE})
    return replace(caller, tenant=tenant, permissions=scores, own_tenant=caller.tenant)
