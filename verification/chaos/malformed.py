"""Requests to each method of the contract that are nearly right: plausible ones, then spoilt."""

import random
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tests.contract import request_to

from trueodds import Client, Question
from trueodds import Method as Fitted
from trueodds.v1 import calibration_pb2, model_pb2
from verification.chaos.alone import Gateway
from verification.chaos.service import MODEL
from verification.fuzz.calls import Method

# Of what is fitted: another one than an honest caller's beside it, whose answers must not change.
_TASK = "malformed"
_OPTIONS = ("red", "green", "blue", "white")
_MOST_OF_A_STREAM = 5
_MOST_OF_A_LIST = 3
_DELETES = "DeleteCalibrator"
# Half a second each where nothing is wrong with them, which a scratch often is not.
_DEAR = {"EvaluateCalibrator", "StreamEvaluateCalibrator"}
_LARGEST = 65_536


@dataclass(frozen=True)
class Requests:
    """About a calibrator and a receipt that there are: what is refused at once finds little."""

    calibrator: str
    receipt: bytes
    deleted: str
    """A calibrator that may go."""

    @classmethod
    def about(cls, target: Gateway) -> "Requests":
        """What the gateway has been asked for, for this."""
        with Client(target.address) as client:
            deleted, kept = (
                client.fit(
                    model=MODEL,
                    task=_TASK,
                    method=Fitted.CONSTANT,
                    temperature=temperature,
                    options=len(_OPTIONS),
                    activate=True,
                ).name
                for temperature in (3.0, 2.0)
            )
            asked = Question("What colour?", _OPTIONS)
            answer = client.score(asked, model=MODEL, task=_TASK, calibrator=kept, receipts=True)
        return cls(kept, answer.receipt, deleted)

    def spoilt(self, method: Method, drawn: random.Random) -> list[bytes]:
        """One message, or the several of a stream, of which one is spoilt, wherever it is."""
        sent = [each.SerializeToString() for each in self.plausible(method, drawn)]
        place = drawn.randrange(len(sent))
        # What is cut and put together is rarely a message any more; a bit that is another may leave
        # one, and then it is the service's own checks that see it.
        is_cut = method.name in _DEAR or drawn.random() < 0.5
        spoil = spoilt if is_cut else _scratched
        sent[place] = spoil(sent[place], drawn)
        return sent

    def plausible(self, method: Method, drawn: random.Random) -> list[Message]:
        """Half of the requests are right, half have any fields that there are."""
        about = replace(self, calibrator=self.deleted) if method.name == _DELETES else self
        right = about._right(method)
        first = right if drawn.random() < 0.5 else about._filled(method.request(), drawn)
        if not method.streams_requests:
            return [first]
        behind = right if method.name == "StreamScore" else _only_items(method)
        return [first, *[behind] * drawn.randint(1, _MOST_OF_A_STREAM - 1)]

    def _right(self, method: Method) -> Any:
        request: Any = request_to(method.name, f"models/{MODEL}", self.calibrator, self.receipt)
        if "settings" in request.DESCRIPTOR.fields_by_name:
            request.settings.task = _TASK
        if isinstance(request, calibration_pb2.FitCalibratorRequest):
            request.task = _TASK
        if isinstance(request, calibration_pb2.StreamFitCalibratorRequest):
            request.part.task = _TASK
            # What more parts bring is items.
            request.part.MergeFrom(_only_items(method).part)
            request.part.method = calibration_pb2.METHOD_TEMPERATURE
            request.part.ClearField("temperature")
            request.part.ClearField("request_id")  # that of another request by now
        return request

    def _filled(self, message: Message, drawn: random.Random) -> Message:
        """With values in some of its fields, and in theirs; one of each ``oneof``."""
        described = message.DESCRIPTOR
        oneofs: Any = described.oneofs
        chosen = {drawn.choice(oneof.fields).name for oneof in oneofs}
        for field in described.fields:
            if field.containing_oneof is not None and field.name not in chosen:
                continue
            # What is fitted for no task would answer an honest caller.
            if field.name != "task" and drawn.random() < 0.5:
                continue
            if field.message_type is not None:
                self._fill_messages(message, field, drawn)
            elif field.is_repeated:
                count = drawn.randint(1, _MOST_OF_A_LIST)
                getattr(message, field.name).extend(self._value(field, drawn) for _ in range(count))
            else:
                setattr(message, field.name, self._value(field, drawn))
        return message

    def _fill_messages(self, message: Message, field: Any, drawn: random.Random) -> None:
        inner = getattr(message, field.name)
        if not field.is_repeated:
            inner.SetInParent()
            self._filled(inner, drawn)
            return
        for _ in range(drawn.randint(1, _MOST_OF_A_LIST)):
            self._filled(inner.add(), drawn)

    def _value(self, field: Any, drawn: random.Random) -> Any:
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return self.receipt
            case FieldDescriptor.CPPTYPE_STRING:
                return self._text(field)
            case FieldDescriptor.CPPTYPE_ENUM:
                return drawn.choice(field.enum_type.values).number
            case FieldDescriptor.CPPTYPE_BOOL:
                return drawn.random() < 0.5
            case FieldDescriptor.CPPTYPE_DOUBLE:
                return drawn.choice([-1.0, 0.0, 0.25, 0.5, 1.0])
            case _:
                return drawn.randrange(len(_OPTIONS))

    def _text(self, field: Any) -> str:
        named = {"task": _TASK, "calibrator": self.calibrator, "name": self.calibrator}
        named |= dict.fromkeys(("model", "teacher"), f"models/{MODEL}")
        if field.file.name == model_pb2.DESCRIPTOR.name:
            named["name"] = named["model"]
        return named.get(field.name, "What colour?")


def _only_items(method: Method) -> Any:
    """A part of a stream that is not its first."""
    evaluation: Any = request_to("EvaluateCalibrator", "", "")
    request: Any = method.request()
    request.part.scores.CopyFrom(evaluation.scores)
    return request


def _scratched(request: bytes, drawn: random.Random) -> bytes:
    """A request with a bit of it that is another."""
    content = bytearray(request or b"\0")
    content[drawn.randrange(len(content))] ^= 1 << drawn.randrange(8)
    return bytes(content)


def spoilt(request: bytes, drawn: random.Random) -> bytes:
    """A request with bytes that are taken out, put in or changed."""
    content = bytearray(request)
    for _ in range(drawn.randint(1, 6)):
        place = drawn.randrange(len(content) + 1)
        match drawn.randrange(5):
            case 0:
                del content[place:]
            case 1:
                content[place:place] = drawn.randbytes(drawn.randint(1, 40))
            case 2 if place < len(content):
                content[place] ^= 1 << drawn.randrange(8)
            case 3:
                content[place : place + 4] = b"\xff" * 9 + b"\x01"
            case _:
                content[place:place] = content[drawn.randrange(len(content) + 1) :]
        if not content:
            content = bytearray(drawn.randbytes(20))
    return bytes(content[:_LARGEST])
