"""The contract's messages as JSON Schema, in protobuf's JSON mapping: what OpenAPI is made of."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.rpc import status_pb2

_Schema = dict[str, Any]

# An infinity is a string there, and an integer of 64 bits always is one.
_NUMBER: _Schema = {
    "oneOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"], "type": "string"}]
}
_INTEGER: _Schema = {"type": "integer", "format": "int32"}
_LONG: _Schema = {"type": "string", "format": "int64"}
_SCALARS: dict[int, _Schema] = {
    FieldDescriptor.TYPE_DOUBLE: _NUMBER,
    FieldDescriptor.TYPE_FLOAT: _NUMBER,
    FieldDescriptor.TYPE_INT32: _INTEGER,
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.TYPE_INT64: _LONG,
    FieldDescriptor.TYPE_UINT64: _LONG,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte"},
}
_WELL_KNOWN: dict[str, _Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string"},
    "google.protobuf.Any": {
        "type": "object",
        "required": ["@type"],
        "properties": {"@type": {"type": "string"}},
    },
}
STATUS = status_pb2.Status.DESCRIPTOR


def schemas(messages: Iterable[Descriptor]) -> dict[str, _Schema]:
    """A schema for each message and all that is in it, by their full names."""
    found: dict[str, _Schema] = {}
    waiting = [STATUS, *messages]
    while waiting:
        message = waiting.pop()
        if message.full_name not in found and message.full_name not in _WELL_KNOWN:
            found[message.full_name] = _message(message)
            waiting += [field.message_type for field in _messages_of(message)]
    return dict(sorted(found.items()))


def reference(message: Descriptor) -> _Schema:
    """Where another schema names it."""
    known = _WELL_KNOWN.get(message.full_name)
    return known or {"$ref": f"#/components/schemas/{message.full_name}"}


def _messages_of(message: Descriptor) -> Iterable[FieldDescriptor]:
    for field in message.fields:
        held = _value(field) if _is_map(field) else field
        if held.message_type is not None:
            yield held


def _message(message: Descriptor) -> _Schema:
    return {
        "type": "object",
        "properties": {field.json_name: _field(field) for field in message.fields},
        "additionalProperties": False,
    }


def _field(field: FieldDescriptor) -> _Schema:
    if _is_map(field):
        return {"type": "object", "additionalProperties": _one(_value(field))}
    one = _one(field)
    return {"type": "array", "items": one} if field.is_repeated else one


def _one(field: FieldDescriptor) -> _Schema:
    if field.message_type is not None:
        return reference(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return _SCALARS[field.type]


def _enum(enum: EnumDescriptor) -> _Schema:
    return {"type": "string", "enum": [value.name for value in enum.values]}


def _is_map(field: FieldDescriptor) -> bool:
    message = field.message_type
    return message is not None and bool(message.GetOptions().map_entry)


def _value(entry: FieldDescriptor) -> FieldDescriptor:
    assert entry.message_type is not None  # noqa: S101 (a map is of messages)
    return entry.message_type.fields_by_name["value"]
