"""How a request enters by the door of HTTP."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request

from trueodds_service import urgency
from trueodds_service.errors import Expired
from trueodds_service.http.arrivals import CERTIFICATE_NAMES
from trueodds_service.http.endpoints import Entry


async def test_what_a_request_waited_at_the_gate_is_of_its_time():
    class Slow:
        @asynccontextmanager
        async def admitted(self, arrival):
            with urgency.hurrying(0.01):  # is left
                yield

    asked = {"headers": [(b"request-timeout", b"60")], "state": {CERTIFICATE_NAMES: ()}}
    request = Request({"type": "http", "method": "POST", "path": "/", **asked})

    async def enter():
        async with Entry(Slow(), 1000, 60.0).entered("a/B", request):
            await asyncio.sleep(5)

    with pytest.raises(Expired):
        await enter()
