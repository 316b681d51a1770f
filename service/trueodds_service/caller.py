"""Who asks: set where a request enters, read wherever that makes a difference."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
"""What a tenant can be called, and a key."""


class Permission(StrEnum):
    """What a caller may do. A scope of calibrators is another thing."""

    SCORE = "score"
    """Ask for answers, and see what there is."""
    FIT = "fit"
    """Fit, activate, roll back and delete calibrators."""
    ADMIN = "admin"
    """Read what is any tenant's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whom the service knows by ``name``, for the tenant whose things these are.

    ``name`` is fit for logs: never a key. ``own_tenant`` is an administrator's who reads for
    ``tenant``.
    """

    tenant: str
    name: str
    permissions: frozenset[Permission]
    own_tenant: str | None = None

    @property
    def charged(self) -> str:
        """The tenant whose share and quotas are used up."""
        return self.tenant if self.own_tenant is None else self.own_tenant


ANYONE = Caller(tenant="", name="anyone", permissions=frozenset(Permission))
"""Who asks where nobody is asked who they are."""

_current: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def current() -> Caller:
    """Who asks for what is done now; tasks that are started meanwhile are for the same."""
    return _current.get()


@contextmanager
def acting_for(caller: Caller) -> Iterator[None]:
    """What is done inside is for ``caller``."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
