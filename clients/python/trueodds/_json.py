"""Records ↔ JSON, by their annotations."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def dumps(record: object) -> str:
    """A record as JSON text, a key a field. A number that is not finite is a ValueError."""
    return json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def loads(kind: type[Record], text: str | bytes) -> Record:
    """A record from the JSON text that ``dumps`` made. Raises ValueError, which says where."""
    try:
        content = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg}, line {error.lineno})") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not JSON (not UTF-8)") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    record: Record = _read(kind, content, "")
    return record


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


def _read(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _read(arguments[0], value, path)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_record(kind, _expect(dict, value, path), path)
    if origin is tuple:
        items = enumerate(_expect(list, value, path))
        return tuple(_read(arguments[0], each, f"{path}[{index}]") for index, each in items)
    if origin is Mapping:
        items = _expect(dict, value, path).items()
        return {name: _read(arguments[1], each, f"{path}[{name!r:.60}]") for name, each in items}
    if kind is datetime or issubclass(kind, Enum):
        try:
            return datetime.fromisoformat(value) if kind is datetime else kind(value)
        except (TypeError, ValueError):
            raise ValueError(f"{path}: {value!r:.60} is no {kind.__name__}") from None
    return (
        float(_expect((int, float), value, path)) if kind is float else _expect(kind, value, path)
    )


def _read_record(kind: type, value: dict[str, Any], path: str) -> Any:
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}
    if unknown := [name for name in value if name not in known]:
        raise ValueError(f"{_join(path, unknown[0])} is not known")
    for name, each in known.items():
        if name not in value and each.default is each.default_factory is MISSING:
            raise ValueError(f"{_join(path, name)} is missing")
    hints = get_type_hints(kind)
    return kind(
        **{name: _read(hints[name], each, _join(path, name)) for name, each in value.items()}
    )


def _expect(kind: Any, value: Any, path: str) -> Any:
    # A truth value is an int to Python, and never meant as one.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{path or 'the report'}: {value!r:.60} is not what belongs here")
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
