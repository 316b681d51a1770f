"""What of a stream of batches is under way: what to send, to send again, and to give up."""

import time
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from trueodds import errors
from trueodds.v1 import scoring_pb2

Key = TypeVar("Key")
Request: TypeAlias = scoring_pb2.StreamScoreRequest
Response: TypeAlias = scoring_pb2.StreamScoreResponse

# Seconds before what failed is sent again: doubled each time that nothing comes back.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0


class Flight(Generic[Key]):
    """Batches on their way, each with a key; each leaves once it is answered for good.

    Knows no transport: both clients drive it. ``window`` bounds the batches under way,
    ``patience`` the seconds for which nothing may come back but that the server is unavailable.
    """

    def __init__(
        self,
        window: int,
        patience: float,
        *,
        ordered: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window
        self._patience = patience
        self._ordered = ordered
        self._clock = clock
        self._batches: dict[int, tuple[Key, Request]] = {}
        self._again: dict[int, None] = {}
        self._held: dict[int, tuple[Key, Response]] = {}
        self._added = 0
        self._given = 0
        self._failures = 0
        self._failing_since = 0.0
        self._not_before = 0.0

    def __bool__(self) -> bool:
        """Whether anything is under way."""
        return bool(self._batches)

    @property
    def has_room(self) -> bool:
        """Whether one more may go; answers that wait for those before them take room as well."""
        return len(self._batches) < self._window and len(self._held) < 4 * self._window

    def add(self, key: Key, request: Request) -> Request:
        """Takes up a batch, which is to be sent; names it by its number."""
        request.batch_id = str(self._added)
        self._batches[self._added] = key, request
        self._added += 1
        return request

    def answered(self, response: Response) -> list[tuple[Key, Response]]:
        """The answers to hand on, now that this one is here.

        Raises Unavailable when patience is at its end.
        """
        number = int(response.batch_id)
        if number not in self._batches:  # settled already, by an answer that seemed lost
            return []
        if (error := _unavailable(response)) is not None:
            self._failed(error)
            self._again[number] = None
            return []
        key, _ = self._batches.pop(number)
        self._again.pop(number, None)
        self._failures = 0
        if not self._ordered:
            return [(key, response)]
        self._held[number] = key, response
        ready = []
        while self._given in self._held:
            ready.append(self._held.pop(self._given))
            self._given += 1
        return ready

    def lost(self, error: errors.TrueoddsError) -> None:
        """The stream broke: all that is not answered goes again. Raises what cannot be mended."""
        if not isinstance(error, errors.Unavailable):
            raise error
        self._failed(error)
        self._again = dict.fromkeys(self._batches)

    def pause(self) -> float | None:
        """Seconds until something is to be sent again; None when nothing is."""
        return max(self._not_before - self._clock(), 0.0) if self._again else None

    def again(self) -> list[Request]:
        """What is to be sent again by now."""
        if self.pause() != 0:
            return []
        due = [self._batches[number][1] for number in self._again]
        self._again.clear()
        return due

    def _failed(self, error: errors.TrueoddsError) -> None:
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        elif now - self._failing_since > self._patience:
            raise error
        # What fails together counts once.
        if now >= self._not_before:
            self._not_before = now + min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._failures += 1


def _unavailable(response: Response) -> errors.TrueoddsError | None:
    """Why a batch has to be asked again, as a whole."""
    failed = [response.error] if response.HasField("error") else []
    failed += [each.error for each in response.outcomes if each.HasField("error")]
    for status in failed:
        error = errors.from_status(status)
        if isinstance(error, errors.Unavailable):
            return error
    return None
