"""A request as it arrives over HTTP: its deadline, its body, and whether its caller still waits."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from trueodds_service.edge.arrival import Arrival
from trueodds_service.errors import InvalidInput

# A body that trickles in keeps a place at the gate.
_BODY_SECONDS = 60.0
# Where the server puts those of a connection, in a request's state.
CERTIFICATE_NAMES = "certificate_names"
_DEADLINES = ("request-timeout", "x-request-timeout")


def arrival(name: str, request: Request) -> Arrival:
    """What the gate is told. Raises InvalidInput at a deadline that is none."""
    headers = dict(request.headers)
    return Arrival(
        name,
        metadata=headers,
        certificate_names=request.scope["state"][CERTIFICATE_NAMES],
        seconds_left=_seconds(headers),
    )


def _seconds(headers: Mapping[str, str]) -> float | None:
    for name in _DEADLINES:
        if (said := headers.get(name)) is None:
            continue
        try:
            seconds = float(said)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise InvalidInput(name, "has to be seconds above 0, such as 2.5")
        return seconds
    return None


@asynccontextmanager
async def while_awaited(request: Request) -> AsyncIterator[None]:
    """Cancels what is done inside when the caller leaves; the body has to be read."""
    this = asyncio.current_task()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if this is not None:
            this.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def check_json(request: Request, *others: str) -> None:
    """Raises InvalidInput unless the body says that it is JSON, or one of ``others``."""
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if kind not in ("application/json", *others):
        wanted = " or ".join(("application/json", *others))
        raise InvalidInput("content-type", f"has to be {wanted}", reason="UNKNOWN_MEDIA_TYPE")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise InvalidInput(
            "content-encoding", "is not served: send the body as it is", reason="UNKNOWN_MEDIA_TYPE"
        )


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. Raises InvalidInput where it is too large or takes too long."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise _too_large(most_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError:
        raise InvalidInput(
            "body", f"was not all here after {_BODY_SECONDS:.0f} seconds", reason="BODY_TOO_SLOW"
        ) from None
    except ClientDisconnect:
        raise asyncio.CancelledError from None
    return b"".join(parts)


async def read_lines(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """The lines of a body as they come, without those that hold nothing; each has a limit."""
    # Parts of the line that has begun: joined only once it has ended, since a part may be a byte.
    begun: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            *ends, rest = part.split(b"\n")
            for end in ends:
                line = b"".join((*begun, end))
                begun, size = [], 0
                if line.strip():
                    yield line
            begun.append(rest)
            size += len(rest)
            if size > most_bytes:
                raise _too_large(most_bytes)
    except ClientDisconnect:
        raise asyncio.CancelledError from None
    if (line := b"".join(begun)).strip():
        yield line


def _too_large(most_bytes: int) -> InvalidInput:
    return InvalidInput(
        "body", f"has more than {most_bytes} bytes, the most there may be", reason="BODY_TOO_LARGE"
    )
