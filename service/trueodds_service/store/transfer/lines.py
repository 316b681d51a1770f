"""Records ↔ the lines of a file."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from trueodds_service.store.convert import calibrator_record, calibrator_row, scope_row
from trueodds_service.store.errors import BadArchive, StoreCorrupt
from trueodds_service.store.records import Activation, FitRequest, Scope
from trueodds_service.store.tables import CalibratorRow, ScopeRow
from trueodds_service.store.transfer.archive import KeptCalibrator, KeptRequest

# The smallest that is too large for a database's integers.
_TOO_LARGE = 2**63
# Columns that are a database's own, or stand in a line as the scope.
_NOT_WRITTEN = {"position", "scope_id"}
_COLUMNS = [each.name for each in CalibratorRow.__table__.columns if each.name not in _NOT_WRITTEN]


def calibrator_line(kept: KeptCalibrator) -> dict[str, Any]:
    """The columns of its row, and its scope."""
    calibrator = kept.calibrator
    row = calibrator_row(calibrator, scope_row(calibrator.scope))
    columns = {name: getattr(row, name) for name in _COLUMNS}
    return {
        **columns,
        "deleted": kept.deleted,
        "created_at": _text(calibrator.created_at),
        "scope": _scope_line(calibrator.scope),
    }


def kept_calibrator(line: Mapping[str, Any]) -> KeptCalibrator:
    """Raises BadArchive where the content is not that which the id stands for."""
    _check_names(line, {*_COLUMNS, "scope"})
    if not isinstance(line["deleted"], bool):
        raise BadArchive("deleted is neither true nor false")
    columns = {**line, "created_at": _moment(line), "scope": ScopeRow(**asdict(_scope(line)))}
    try:
        return KeptCalibrator(calibrator_record(CalibratorRow(**columns)), line["deleted"])
    except StoreCorrupt as error:
        raise BadArchive(str(error)) from error


def activation_line(activation: Activation) -> dict[str, Any]:
    return {
        **asdict(activation),
        "scope": _scope_line(activation.scope),
        "created_at": _text(activation.created_at),
    }


def kept_activation(line: Mapping[str, Any]) -> Activation:
    """Raises BadArchive."""
    _check_names(line, {"sequence", "scope", "calibrator_id", "parent", "created_at"})
    return Activation(
        sequence=_is(line, "sequence", int),
        scope=_scope(line),
        calibrator_id=_is(line, "calibrator_id", str, type(None)),
        parent=_is(line, "parent", int, type(None)),
        created_at=_moment(line),
    )


def request_line(kept: KeptRequest) -> dict[str, Any]:
    return {
        **asdict(kept.request),
        "calibrator_id": kept.calibrator_id,
        "created_at": _text(kept.created_at),
        **_tenant_line(kept.tenant),
    }


def kept_request(line: Mapping[str, Any]) -> KeptRequest:
    """Raises BadArchive."""
    _check_names(line, {"id", "fingerprint", "calibrator_id", "created_at"}, {"tenant"})
    return KeptRequest(
        FitRequest(_is(line, "id", str), _is(line, "fingerprint", str)),
        _is(line, "calibrator_id", str),
        _moment(line),
        _tenant(line),
    )


def _scope(line: Mapping[str, Any]) -> Scope:
    scope = _is(line, "scope", dict)
    _check_names(scope, set(Scope.__dataclass_fields__) - {"tenant"}, {"tenant"})
    texts = {name: _is(scope, name, str) for name in ("model", "revision", "task", "reading")}
    numbers = {name: _is(scope, name, int) for name in ("format_version", "options")}
    return Scope(**texts, **numbers, tenant=_tenant(scope))


def _scope_line(scope: Scope) -> dict[str, Any]:
    line = asdict(scope)
    tenant = line.pop("tenant")
    return {**line, **_tenant_line(tenant)}


def _tenant_line(tenant: str) -> dict[str, str]:
    """Nothing where it has no name: so it was written before there were tenants."""
    return {"tenant": tenant} if tenant else {}


def _tenant(line: Mapping[str, Any]) -> str:
    return _is(line, "tenant", str) if "tenant" in line else ""


def _check_names(
    line: Mapping[str, Any], names: set[str], others: AbstractSet[str] = frozenset()
) -> None:
    """Those of ``others`` may be missing."""
    if line.keys() - others != names:
        wrong = ", ".join(sorted((line.keys() - others) ^ names))
        raise BadArchive(f"its fields are not those of this version: {wrong}")


def _is(line: Mapping[str, Any], name: str, *kinds: type) -> Any:
    # True is an int for Python alone.
    value = line[name]
    if type(value) not in kinds:
        raise BadArchive(f"{name} is no {' or '.join(kind.__name__ for kind in kinds)}")
    if isinstance(value, int) and not 0 <= value < _TOO_LARGE:
        raise BadArchive(f"{name} is not from 0 to {_TOO_LARGE - 1}")
    return value


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(line: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_is(line, "created_at", str))
        if moment.tzinfo is None:
            raise BadArchive("created_at has no time zone")
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadArchive("created_at is no moment") from error
