"""What spoils a well-formed request: as a message, field by field, and as bytes."""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from verification.fuzz.known import MARKER, Known
from verification.fuzz.values import COUNTS, values

Draw = st.DrawFn

# A list is made longer with copies, but not beyond these: a real engine has to read them.
_MOST_COPIES = 129
_MOST_BYTES = 4 * 2**20

_END = 4  # where a field's number begins in its tag is 3 bits in; 4 is the type of a group's end


def spoil(draw: Draw, message: Message, known: Known) -> None:
    """Changes one field somewhere in the message."""
    places = list(_places(message))
    # What is set is read further than what is not.
    filled = [(parent, field) for parent, field in places if _is_filled(parent, field)]
    if not places:
        return
    parent, field = draw(st.sampled_from(filled or places) | st.sampled_from(places))
    if field.is_repeated:
        _spoil_list(draw, parent, field, known)
    elif field.message_type is None:
        setattr(parent, field.name, draw(values(field, known)))
    elif parent.HasField(field.name) and draw(st.booleans()):
        parent.ClearField(field.name)
    else:
        child = getattr(parent, field.name)
        child.Clear()
        child.SetInParent()


def _is_filled(parent: Any, field: FieldDescriptor) -> bool:
    """Whether it is a text, a number or a list, and set."""
    if field.message_type is not None and not field.is_repeated:
        return False
    return any(each == field for each, _ in parent.ListFields())


def _places(message: Message) -> Iterator[tuple[Any, Any]]:
    """Every field of the message and of the messages in it; of a list, those of both ends."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.message_type is None:
            continue
        if field.is_repeated:
            children = getattr(message, field.name)
            for child in (*children[:1], *children[1:][-1:]):
                yield from _places(child)
        elif message.HasField(field.name):
            yield from _places(getattr(message, field.name))


def _spoil_list(draw: Draw, parent: Any, field: FieldDescriptor, known: Known) -> None:
    items = getattr(parent, field.name)
    if field.message_type is None and draw(st.booleans()):
        added = [draw(values(field, known)) for _ in range(draw(st.integers(1, 3)))]
        del items[draw(st.integers(0, len(items))) :]
        items.extend(added)
        return
    if field.message_type is not None:
        items.add()
    elif not items:
        items.append(draw(values(field, known)))
    count = draw(COUNTS)
    first = items[0]
    size = first.ByteSize() if field.message_type is not None else 8
    while len(items) < count and len(items) <= _MOST_COPIES and len(items) * size < _MOST_BYTES:
        items.append(first)
    while len(items) < count and field.message_type is not None:
        items.add()
    del items[count:]


def spoil_bytes(draw: Draw, content: bytes) -> bytes:
    """Changes the bytes of a message."""
    return draw(st.sampled_from(_SPOILERS))(draw, content)


def _anything(draw: Draw, content: bytes) -> bytes:
    return draw(st.binary(max_size=64))


def _cut(draw: Draw, content: bytes) -> bytes:
    return content[: draw(_places_in(content))]


def _flipped(draw: Draw, content: bytes) -> bytes:
    place = draw(_places_in(content))
    return content[:place] + draw(st.binary(min_size=1, max_size=1)) + content[place + 1 :]


def _inserted(draw: Draw, content: bytes) -> bytes:
    place = draw(_places_in(content))
    return content[:place] + draw(st.binary(max_size=12)) + content[place:]


def _twice(draw: Draw, content: bytes) -> bytes:
    """Singular fields come again: the last one wins, and messages are merged."""
    return content * 2


def _not_utf8(draw: Draw, content: bytes) -> bytes:
    wrong = draw(st.sampled_from([b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5"]))
    marker = MARKER.encode()
    return content.replace(marker, (wrong * len(marker))[: len(marker)])


def _other_types(draw: Draw, content: bytes) -> bytes:
    """A field of the message, or an unknown one, with a wire type of any kind."""
    number = draw(st.sampled_from([0, 1, 2, 3, 4, 7, 15, 99, 19_000, 2**29 - 1]))
    kind = draw(st.integers(0, 7))
    return content + varint(number << 3 | kind) + draw(st.binary(max_size=12))


def _huge_varint(draw: Draw, content: bytes) -> bytes:
    length = draw(st.sampled_from([5, 9, 10, 11, 100]))
    number = draw(st.integers(1, 9))
    last = draw(st.sampled_from([b"\x00", b"\x01", b"\x7f"]))
    return content + varint(number << 3) + b"\xff" * length + last


def _long_length(draw: Draw, content: bytes) -> bytes:
    """A field that claims more bytes than there are."""
    claimed = draw(st.sampled_from([1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63]))
    return content + varint(draw(st.integers(1, 9)) << 3 | 2) + varint(claimed)


def _deep(draw: Draw, content: bytes) -> bytes:
    """Messages, or unknown groups, in one another."""
    depth = draw(st.sampled_from([2, 50, 99, 101, 5_000]))
    number = draw(st.sampled_from([1, 2, 3, 4, 99]))
    if draw(st.booleans()):
        return content + varint(number << 3 | 3) * depth + varint(number << 3 | _END) * depth
    inner = b""
    for _ in range(min(depth, 200)):
        inner = varint(number << 3 | 2) + varint(len(inner)) + inner
    return content + inner


def varint(number: int) -> bytes:
    """A number as the wire has it."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _places_in(content: bytes) -> st.SearchStrategy[int]:
    return st.integers(0, len(content))


_SPOILERS: list[Callable[[Draw, bytes], bytes]] = [
    *(_anything, _cut, _flipped, _inserted, _twice, _not_utf8),
    *(_other_types, _huge_varint, _long_length, _deep),
]
