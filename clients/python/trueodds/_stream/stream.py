"""A stream of batches to the server and back, which outlives the server's restarts."""

import math
from collections.abc import AsyncGenerator, AsyncIterator

from trueodds import errors
from trueodds._stream.flight import Flight
from trueodds._stream.lines import Lines, Lost
from trueodds._stream.pieces import Key, Request, Response
from trueodds._transport.base import Transport


async def stream_batches(
    transport: Transport,
    batches: AsyncIterator[tuple[Key, Request]],
    flight: Flight[Key],
    timeout: float,
) -> AsyncGenerator[tuple[Key, Response], None]:
    """Sends batches as they are needed, and yields what each is answered, with its key.

    ``batches`` are never read further ahead than the flight has room. Only what has no answer is
    sent again when a line breaks. Raises Unavailable when nothing else came back for the flight's
    patience, and DeadlineExceeded after ``timeout`` seconds without an answer to a question alone.
    """
    lines = Lines(transport)
    try:
        while True:
            for request in flight.again():
                lines.send(request)
            while (
                (lines or not flight.pause())
                and flight.has_room
                and (following := await anext(batches, None)) is not None
            ):
                lines.send(flight.add(*following))
            if not flight:
                return
            for answered in await _answers(lines, flight, timeout):
                yield answered
    finally:
        await lines.close(cancel=bool(flight))


async def _answers(
    lines: Lines,
    flight: Flight[Key],
    timeout: float,
) -> list[tuple[Key, Response]]:
    """What is answered next; nothing where something is to be sent again first."""
    pause, limit = flight.pause(), timeout if flight.expects else math.inf
    came = await lines.receive(limit if pause is None else min(pause, limit))
    if isinstance(came, Response):
        return flight.answered(came)
    if isinstance(came, Lost):
        lost = came
    elif pause is None or pause > limit:
        lost = Lost(_too_slow(timeout), ())
    else:
        return []
    if isinstance(lost.error, errors.DeadlineExceeded):  # all goes again, in smaller messages
        await lines.close(cancel=True)
    flight.lost(lost.error, lost.names)
    return []


def _too_slow(seconds: float) -> errors.TrueoddsError:
    return errors.DeadlineExceeded(
        f"no answer within {seconds:g} s; raise the timeout", reason="TIMEOUT"
    )
