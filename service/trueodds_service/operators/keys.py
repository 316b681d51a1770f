"""What `trueodds keys` and `trueodds audit` run, on the store of a service."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trueodds_service.caller import NAME, Permission
from trueodds_service.errors import ConfigError
from trueodds_service.operators.on_store import on_store, print_columns
from trueodds_service.store import (
    ApiKey,
    AuditEntry,
    SqlKeyStore,
    audit_log,
    check_current,
    make_if_new,
)


def create(
    name: str,
    *,
    tenant: str,
    can: str,
    days: float | None,
    configuration: Path | None,
    url: str | None,
) -> int:
    """Makes a key, and shows it this once; the exit status."""

    def make(store: str) -> None:
        permissions = _permissions(can)
        for what, text in (("name", name), ("tenant", tenant)):
            if (text or what == "name") and not NAME.fullmatch(text):
                raise ConfigError(f"{what}: {text!r} has to match {NAME.pattern}")
        make_if_new(store)
        ends = None if days is None else datetime.now(UTC) + _span("days", days, timedelta(days=1))
        with _keys(store) as keys:
            key, text = keys.create(name, tenant=tenant, permissions=permissions, expires_at=ends)
        _show(key, text)

    return on_store(make, configuration=configuration, url=url)


def rotate(key_id: str, *, grace_hours: float, configuration: Path | None, url: str | None) -> int:
    """Makes a key in place of another, which ends after the grace; the exit status."""

    def replace(store: str) -> None:
        check_current(store)
        with _keys(store) as keys:
            grace = _span("grace hours", grace_hours, timedelta(hours=1))
            key, text = keys.rotate(key_id, grace=grace)
        _show(key, text)
        print(f"{key_id} ends in {grace_hours:g} hours", file=sys.stderr)

    return on_store(replace, configuration=configuration, url=url)


def revoke(key_id: str, *, configuration: Path | None, url: str | None) -> int:
    """Ends a key at once; the exit status."""

    def end(store: str) -> None:
        check_current(store)
        with _keys(store) as keys:
            key = keys.revoke(key_id)
        print(f"revoked: {key.id} ({key.name})")

    return on_store(end, configuration=configuration, url=url)


def show(*, all_keys: bool, as_json: bool, configuration: Path | None, url: str | None) -> int:
    """Lists keys: those that are valid, or all that there ever were; the exit status."""

    def tell(store: str) -> None:
        check_current(store)
        now = datetime.now(UTC)
        with _keys(store) as keys:
            found = [key for key in keys.all() if all_keys or key.is_valid(now)]
        if as_json:
            for key in found:
                print(json.dumps(_line(key, now)))
        else:
            head = ("id", "name", "tenant", "can", "created", "ends", "state")
            print_columns(head, (tuple(map(_cell, _line(key, now).values())) for key in found))

    return on_store(tell, configuration=configuration, url=url)


def audit(
    *,
    tenant: str | None,
    since: datetime | None,
    as_json: bool,
    configuration: Path | None,
    url: str | None,
) -> int:
    """Lists who has changed what, the oldest first; the exit status."""

    def tell(store: str) -> None:
        moment = None if since is None else since.replace(tzinfo=UTC)
        entries = audit_log(store, tenant=tenant, since=moment)
        if as_json:
            for each in entries:
                print(json.dumps({**asdict(each), "created_at": _moment(each.created_at)}))
        else:
            head = ("at", "tenant", "who", "what", "subject")
            print_columns(head, map(_row, entries))

    return on_store(tell, configuration=configuration, url=url)


@contextmanager
def _keys(store: str) -> Iterator[SqlKeyStore]:
    keys = SqlKeyStore(store)
    try:
        yield keys
    finally:
        keys.close()


def _span(name: str, number: float, unit: timedelta) -> timedelta:
    try:
        span = number * unit
        _ = datetime.now(UTC) + span
    except (OverflowError, ValueError) as error:
        raise ConfigError(f"{name}: {number:g} end at no date that there is") from error
    return span


def _permissions(can: str) -> frozenset[Permission]:
    """Raises ConfigError at what is none."""
    try:
        return frozenset(Permission(each.strip()) for each in can.split(","))
    except ValueError as error:
        raise ConfigError(f"can: {can!r} is no list of {', '.join(Permission)}") from error


def _show(key: ApiKey, text: str) -> None:
    """The key alone on the standard output, so that it goes into a file and nowhere else."""
    can = ", ".join(sorted(key.permissions))
    ends = "" if key.expires_at is None else f", until {_moment(key.expires_at)}"
    whose = f" of tenant {key.tenant}" if key.tenant else ""
    print(f"key {key.id} ({key.name}){whose}: may {can}{ends}", file=sys.stderr)
    print("it is shown this once, and kept nowhere:", file=sys.stderr)
    print(text)


def _line(key: ApiKey, now: datetime) -> dict[str, str | list[str] | None]:
    state = "revoked" if key.revoked_at else "valid" if key.is_valid(now) else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "can": sorted(key.permissions),
        "created": _moment(key.created_at),
        "ends": None if key.expires_at is None else _moment(key.expires_at),
        "state": state,
    }


def _cell(value: str | list[str] | None) -> str:
    return ",".join(value) if isinstance(value, list) else value or "-"


def _row(entry: AuditEntry) -> tuple[str, ...]:
    return (
        _moment(entry.created_at),
        entry.tenant or "-",
        entry.caller,
        entry.action.value,
        entry.subject,
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
