"""The contract, as the pages ask it: what they show is what every other client is told."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from trueodds_service.rpc.as_json import JsonMethod

Fields = dict[str, Any]
"""A message in protobuf's JSON mapping."""

_PACKAGE = "trueodds.v1"


class Contract:
    """Its methods by their short names, such as ``ScoringService/Score``. Call it in the gate."""

    def __init__(self, methods: Iterable[JsonMethod]) -> None:
        self._methods = {each.name: each for each in methods}

    async def ask(self, name: str, request: Mapping[str, Any]) -> Fields:
        """The answer to a request. Raises a ServiceError."""
        answer = await self._methods[full_name(name)].answer(json.dumps(request).encode())
        fields: Fields = json.loads(answer)
        return fields

    async def last_of(self, name: str, request: Mapping[str, Any]) -> Fields:
        """The last message that a method streams, which for long work is its outcome."""
        last = b"{}"
        async for message in self._methods[full_name(name)].answers(_once(request)):
            last = message
        fields: Fields = json.loads(last)
        return fields


def full_name(name: str) -> str:
    """A method's name as the gate knows it."""
    return f"{_PACKAGE}.{name}"


async def _once(request: Mapping[str, Any]) -> AsyncIterator[bytes]:
    yield json.dumps(request).encode()
