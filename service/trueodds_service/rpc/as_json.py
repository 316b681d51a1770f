"""The contract in protobuf's JSON mapping: every method as JSON in and JSON out.

Made from the descriptors: a method that the contract gains is here without a line of ours.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from trueodds_service.errors import InvalidInput
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.rpc.calibration.calibrators import calibrator_message
from trueodds_service.rpc.json_bodies import beside, check_names, not_json
from trueodds_service.rpc.json_fields import check_fields
from trueodds_service.rpc.services import DESCRIPTORS, Services
from trueodds_service.rpc.status import of_any
from trueodds_service.store.calibrator import Calibrator


@dataclass(frozen=True, slots=True)
class JsonMethod:
    """A method of the contract, by its full name, such as ``trueodds.v1.ScoringService/Score``.

    Call it inside the gate: it knows neither callers nor deadlines.
    """

    name: str
    takes_stream: bool
    gives_stream: bool
    request: type[Message]
    asked: Descriptor
    answered: Descriptor
    method: Callable[[Any, Any], Any]

    async def answer(self, body: bytes) -> bytes:
        """The answer to a request of a method without streams. Raises a ServiceError."""
        return await _written(await self.method(await _parsed(body, self.request()), None))

    async def answers(self, bodies: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The messages of a method that streams, as each is there. Raises a ServiceError."""
        requests = (await _parsed(body, self.request()) async for body in bodies)
        asked = requests if self.takes_stream else await anext(requests)
        async with aclosing(self.method(asked, None)) as messages:
            async for message in messages:
                yield await _written(message)


def json_methods(services: Services) -> list[JsonMethod]:
    """Every method of the contract."""
    return [
        _method(method, servicer)
        for described, servicer in zip(DESCRIPTORS, services, strict=True)
        for method in described.methods
    ]


def status_json(error: Exception) -> bytes:
    """A ``google.rpc.Status`` of whatever was raised."""
    return json_format.MessageToJson(of_any(error), indent=None).encode()


def calibrators_json(fitted: Sequence[Calibrator], held: Calibrators) -> bytes:
    """Calibrators as the contract has them; ``held`` knows which are active."""
    told = [_as_json(calibrator_message(each, active=held.is_active(each))) for each in fitted]
    return b'{"calibrators": [%b]}' % b", ".join(told)


def _method(method: MethodDescriptor, servicer: Any) -> JsonMethod:
    return JsonMethod(
        name=f"{method.containing_service.full_name}/{method.name}",
        takes_stream=method.client_streaming,
        gives_stream=method.server_streaming,
        request=GetMessageClass(method.input_type),
        asked=method.input_type,
        answered=method.output_type,
        method=getattr(servicer, method.name),
    )


async def _parsed(body: bytes, message: Message) -> Message:
    return await beside(len(body), partial(_of_json, body, message))


def _of_json(body: bytes, message: Message) -> Message:
    try:
        said = json.loads(body.decode(), object_pairs_hook=_as_object)
    except _TwiceError:
        check_names(body)
        raise
    except (ValueError, RecursionError):
        raise not_json() from None
    check_fields(said, cast(Descriptor, message.DESCRIPTOR))
    try:
        return json_format.ParseDict(said, message)
    except (json_format.ParseError, ValueError, TypeError, RecursionError):
        # Of a message of protobuf's own, or too deep; what protobuf says of it can hold a prompt.
        raise InvalidInput("body", "is not what the contract has here") from None


class _TwiceError(ValueError):
    """An object has a name twice."""


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


async def _written(message: Message) -> bytes:
    return await beside(message.ByteSize(), partial(_as_json, message))


def _as_json(message: Message) -> bytes:
    # With what is zero or empty: a reader of JSON would miss it.
    return json_format.MessageToJson(
        message, always_print_fields_with_no_presence=True, indent=None, ensure_ascii=False
    ).encode()
