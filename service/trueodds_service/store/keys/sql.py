"""API keys in a SQL database, beside the calibrators."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from trueodds_service.caller import Permission
from trueodds_service.store.audit import Action, note
from trueodds_service.store.database import Database
from trueodds_service.store.errors import KeyNameTaken, KeyNotFound
from trueodds_service.store.keys.key import ApiKey
from trueodds_service.store.keys.secret import Secret
from trueodds_service.store.tables import ApiKeyRow, AuditRow


class Mark(NamedTuple):
    """The newest line of the audit log, which every change of a key writes."""

    sequence: int
    created_at: datetime


class SqlKeyStore:
    """API keys in SQLite or PostgreSQL; ``upgrade(url)`` has to come first.

    Every method is one transaction, and blocks. Each can raise StoreError.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def create(
        self,
        name: str,
        *,
        tenant: str,
        permissions: Collection[Permission],
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Keeps a new key; its record, and its text, which nobody can ever tell again.

        Raises KeyNameTaken where a valid key of the tenant has the name.
        """
        with self._database.writing() as session:
            if any(_valid(session, tenant, name)):
                raise KeyNameTaken(f"the tenant {tenant!r} has a valid key {name!r} already")
            return _add(session, name, tenant, permissions, expires_at)

    def rotate(self, key_id: str, *, grace: timedelta) -> tuple[ApiKey, str]:
        """Keeps a new key like a valid one, which ends after ``grace``; as ``create``.

        If the old key expires, the new one is valid for the same length of time. Raises
        KeyNotFound.
        """
        with self._database.writing() as session:
            row, now = _find(session, key_id), datetime.now(UTC)
            ends = None if row.expires_at is None else now + (row.expires_at - row.created_at)
            row.expires_at = min(now + grace, row.expires_at or datetime.max.replace(tzinfo=UTC))
            if not grace:
                row.revoked_at = now
            note(session, Action.ROTATE_KEY, f"keys/{key_id}", tenant=row.tenant)
            permissions = map(Permission, row.permissions)
            return _add(session, row.name, row.tenant, list(permissions), ends)

    def revoke(self, key_id: str) -> ApiKey:
        """From now on nobody can call with it. Raises KeyNotFound where it is not valid."""
        with self._database.writing() as session:
            row = _find(session, key_id)
            row.revoked_at = datetime.now(UTC)
            note(session, Action.REVOKE_KEY, f"keys/{key_id}", tenant=row.tenant)
            return _record(row)

    def all(self) -> list[ApiKey]:
        """All keys that there ever were, the oldest first."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        with self._database.reading() as session:
            return [_record(row) for row in session.scalars(query)]

    def mark(self) -> Mark | None:
        """What changes with every change of a key; cheap enough to poll."""
        newest = select(AuditRow.sequence, AuditRow.created_at)
        query = newest.order_by(AuditRow.sequence.desc()).limit(1)
        with self._database.reading() as session:
            row = session.execute(query).one_or_none()
        return None if row is None else Mark(*row)

    def unrevoked(self) -> Mapping[str, ApiKey]:
        """The keys that are not revoked, by their ids; whether one is past its end is looked at
        when it is used: this machine's clock may be wrong now and right then.
        """
        query = select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
        with self._database.reading() as session:
            keys = [_record(row) for row in session.scalars(query)]
        return {key.id: key for key in keys}

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._database.close()


def _add(
    session: Session,
    name: str,
    tenant: str,
    permissions: Collection[Permission],
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    secret = Secret.new()
    row = ApiKeyRow(
        id=secret.id,
        name=name,
        tenant=tenant,
        permissions=sorted(permissions),
        hash=secret.hash,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    session.add(row)
    note(session, Action.CREATE_KEY, f"keys/{row.id}", tenant=tenant)
    return _record(row), secret.text


def _valid(session: Session, tenant: str, name: str) -> list[ApiKeyRow]:
    now = datetime.now(UTC)
    rows = session.scalars(select(ApiKeyRow).filter_by(tenant=tenant, name=name))
    return [row for row in rows if _record(row).is_valid(now)]


def _find(session: Session, key_id: str) -> ApiKeyRow:
    row = session.get(ApiKeyRow, key_id)
    if row is None or not _record(row).is_valid(datetime.now(UTC)):
        raise KeyNotFound(f"there is no valid key {key_id}")
    return row


def _record(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        permissions=frozenset(map(Permission, row.permissions)),
        hash=row.hash,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
