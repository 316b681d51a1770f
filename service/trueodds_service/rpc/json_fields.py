"""What a JSON body has for each field of a message, looked at before protobuf reads it.

protobuf's reader takes true for a number or an enum, cuts fractions off enums, reads 1_0 as ten, a
list as an empty message, and of a field in two spellings the last; and it seldom says where it
stumbled. What the mapping allows stays allowed. Messages of protobuf's own, such as Timestamp, have
forms of their own, and are left to it.
"""

import base64
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from trueodds_service.errors import InvalidInput
from trueodds_service.rpc.json_bodies import not_json, path_of

Place = tuple[str | int, ...]
_Problem = Callable[[Any], str]
"""What is wrong with a value; empty where nothing is."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_FINITE = ("NaN", "Infinity", "-Infinity")
_SURROGATE = re.compile("[\ud800-\udfff]")
# An unknown name is the caller's: told only where it looks like a field's.
_NAME = re.compile(r"\w{1,64}")

_NO_OBJECT = "has to be an object"
_NO_LIST = "has to be a list"
_NO_NUMBER = "has to be a number"
_NO_INTEGER = "has to be an integer"
_NO_TEXT = "has to be text"
_NO_BOOL = "has to be true or false"
_NO_BYTES = "has to be bytes in base64"
_TOO_LARGE = "is too large a number"

_MOST = sys.float_info.max
_BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class _Field:
    """``oneof`` is empty where it is in none with others; one of ``message`` and ``problem`` is
    there, but for messages of protobuf's own.
    """

    name: str
    oneof: str
    is_repeated: bool
    is_map: bool
    message: Descriptor | None
    problem: _Problem | None


def check_fields(body: Any, message: Descriptor) -> None:
    """Raises InvalidInput, with the path of the first thing that is not what ``message`` has."""
    if not isinstance(body, dict):
        raise not_json()
    _check_message(body, message, ())


def _check_message(said: Any, message: Descriptor, place: Place) -> None:
    if not isinstance(said, dict):
        raise InvalidInput(path_of(place), _NO_OBJECT)
    fields = _fields(message)
    seen: set[str] = set()
    oneofs: dict[str, str] = {}
    for name, value in said.items():
        field = fields.get(name)
        if field is None:
            raise _unknown(name, place)
        if field.name in seen:
            raise InvalidInput(path_of((*place, field.name)), "is here in two spellings")
        seen.add(field.name)
        if value is None:
            continue
        if field.oneof and (other := oneofs.setdefault(field.oneof, field.name)) != field.name:
            raise InvalidInput(path_of((*place, field.name)), f"does not go with {other}")
        # Most are plain, and nothing is made for them.
        if field.problem is None or field.is_repeated:
            _check_field(value, field, (*place, field.name))
        elif problem := field.problem(value):
            raise InvalidInput(path_of((*place, field.name)), problem)


def _unknown(name: str, place: Place) -> InvalidInput:
    if _NAME.fullmatch(name):
        return InvalidInput(path_of((*place, name)), "is no field of this message")
    return InvalidInput(path_of(place), "has a name that is no field of this message")


def _check_field(value: Any, field: _Field, place: Place) -> None:
    if field.is_map:
        if not isinstance(value, dict):
            raise InvalidInput(path_of(place), _NO_OBJECT)
        # A name in a map is the caller's, and is not told.
        for each in value.values():
            _check_one(each, field, place)
    elif field.is_repeated:
        if not isinstance(value, list):
            raise InvalidInput(path_of(place), _NO_LIST)
        for index, each in enumerate(value):
            _check_one(each, field, place, index)
    else:
        _check_one(value, field, place)


def _check_one(value: Any, field: _Field, place: Place, *index: int) -> None:
    if field.problem is not None:
        if problem := field.problem(value):
            raise InvalidInput(path_of((*place, *index)), problem)
    elif field.message is not None:
        _check_message(value, field.message, (*place, *index))


@cache
def _fields(message: Descriptor) -> Mapping[str, _Field]:
    """By both spellings."""
    found = {}
    for each in message.fields:
        found[each.name] = found[each.json_name] = _field(each)
    return found


def _field(field: FieldDescriptor) -> _Field:
    oneof, inner, of = field.containing_oneof, field.message_type, field
    is_map = False
    if inner is not None and (is_map := inner.GetOptions().map_entry):
        of = inner.fields_by_name["value"]
    return _Field(
        name=field.name,
        # That of an optional field is protobuf's own, and has no other.
        oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else "",
        is_repeated=field.is_repeated,
        is_map=is_map,
        message=_message(of),
        problem=None if of.message_type is not None else _problem(of),
    )


def _message(field: FieldDescriptor) -> Descriptor | None:
    message: Descriptor | None = field.message_type
    if message is None or message.full_name.startswith("google.protobuf."):
        return None
    return message


def _problem(field: FieldDescriptor) -> _Problem:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_BOOL:
            return lambda value: "" if isinstance(value, bool) else _NO_BOOL
        case FieldDescriptor.CPPTYPE_ENUM:
            assert field.enum_type is not None  # noqa: S101 (as all of this type have one)
            return _of_enum(field.enum_type)
        case FieldDescriptor.CPPTYPE_STRING:
            return _of_bytes if field.type == FieldDescriptor.TYPE_BYTES else _of_text
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return _of_number
        case kind:
            return _of_integer(*_BITS[kind])


def _of_text(value: Any) -> str:
    if not isinstance(value, str):
        return _NO_TEXT
    return "" if value.isascii() or not _SURROGATE.search(value) else "has half a character"


def _of_bytes(value: Any) -> str:
    if not isinstance(value, str):
        return _NO_BYTES
    try:  # with more padding than is needed, as protobuf does: it may be left out
        base64.urlsafe_b64decode(value.encode() + b"===")
    except ValueError:
        return _NO_BYTES
    return ""


def _of_number(value: Any) -> str:
    if isinstance(value, str):
        if value in _NO_FINITE:
            return ""
        if not _NUMBER.fullmatch(value):
            return _NO_NUMBER
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NO_NUMBER
    if isinstance(value, float) and math.isnan(value):
        return _NO_NUMBER
    return "" if -_MOST <= value <= _MOST else _TOO_LARGE


def _of_integer(least: int, most: int) -> _Problem:
    def problem(value: Any) -> str:
        number = _integer(value)
        if number is None:
            return _NO_INTEGER
        return "" if least <= number <= most else f"has to be from {least} to {most}"

    return problem


def _of_enum(enum: EnumDescriptor) -> _Problem:
    names = {each.name for each in enum.values}
    told = "has to be one of " + ", ".join(each.name for each in enum.values if each.number)
    least, most = _BITS[FieldDescriptor.CPPTYPE_INT32]

    def problem(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return ""
        number = _integer(value)
        if number is None or (isinstance(value, str) and not isinstance(number, int)):
            return told
        return "" if least <= number <= most else told

    return problem


def _integer(value: Any) -> int | float | None:
    """The number that a value is; None of what is no integer."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        try:
            value = int(value)
        except ValueError:  # as 1e3 is, or more digits than Python reads
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isinf(value) and not value.is_integer():
        return None
    return value
