"""What of a stream of batches is under way: what to send, to send again, and to give up."""

import math
import time
from collections.abc import Callable, Collection
from typing import Generic

from google.rpc import code_pb2

from trueodds import errors
from trueodds._channel import BATCH
from trueodds._stream.pace import Pace
from trueodds._stream.pieces import Batch, Key, Piece, Request, Response
from trueodds.v1 import scoring_pb2

# Seconds before what failed is sent again: doubled each time that nothing comes back.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
_MOST_DOUBLINGS = 16

# After how many failures a message goes on in halves: one of its questions may be why.
FAULTS = 3
# How many questions in a row may fail alone: a service that fails at more would fail at any.
MOST_FAULTY = BATCH

_FAULT_CODES = (code_pb2.INTERNAL, code_pb2.UNKNOWN, code_pb2.DATA_LOSS)


class Flight(Generic[Key]):
    """Batches on their way, each with a key; each leaves once it is answered for good.

    Knows no transport: both clients drive it. ``window`` bounds the batches under way, ``patience``
    how many seconds the server may be unavailable. A batch that the service fails at is sent again,
    then in halves; a question that fails alone has the error as its outcome. A batch that is not
    answered within ``timeout`` seconds is sent again in smaller messages, one at a time.
    """

    def __init__(
        self,
        window: int,
        patience: float,
        *,
        ordered: bool,
        timeout: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window
        self._patience = patience
        self._pace = Pace(window, timeout)
        self._ordered = ordered
        self._clock = clock
        self._batches: dict[int, Batch[Key]] = {}
        self._pieces: dict[str, Piece[Key]] = {}
        self._again: dict[str, None] = {}
        self._held: dict[int, tuple[Key, Response]] = {}
        self._added = 0
        self._given = 0
        self._rounds = 0
        self._backing_off_since = 0.0
        self._not_before = 0.0
        self._faulty = 0

    def __bool__(self) -> bool:
        """Whether anything is under way."""
        return bool(self._batches)

    @property
    def has_room(self) -> bool:
        """Whether one more may go; answers that wait for those before them take room as well."""
        return (
            len(self._batches) < self._window
            and len(self._held) < 4 * self._window
            and not (self._is_slow and self._pieces)
        )

    @property
    def expects(self) -> bool:
        """Whether anything that was sent is not answered."""
        return len(self._again) < len(self._pieces)

    def add(self, key: Key, request: Request) -> Request:
        """Takes up a batch, named by its number; gives what of it is to be sent now."""
        request.batch_id = str(self._added)
        self._batches[self._added] = Batch(self._added, key, len(request.questions))
        first, *rest = Piece(self._batches[self._added], 0, request).cut(self._pace.size)
        self._pieces |= {each.name: each for each in (first, *rest)}
        self._again |= {each.name: None for each in rest}
        self._added += 1
        first.sent = self._clock()
        return first.request

    def answered(self, response: Response) -> list[tuple[Key, Response]]:
        """The answers to hand on, now that this one is here.

        Raises Unavailable when patience is at its end, and ServiceFailed when the service fails
        at one question after another.
        """
        piece = self._pieces.get(response.batch_id)
        if piece is None:  # settled already, by an answer that seemed lost
            return []
        if (error := _unavailable(response)) is not None:
            self._back_off(error)
            self._again[response.batch_id] = None
            return []
        self._pace.answered(self._clock() - piece.sent)
        if response.error.code not in _FAULT_CODES:
            self._rounds = self._faulty = 0
            return self._settled(piece, response)
        return self._failed_at(piece, response)

    def lost(self, error: errors.TrueoddsError, names: Collection[str] | None = None) -> None:
        """A line broke: what is not answered goes again, of these names or of all.

        Raises what cannot be mended.
        """
        if isinstance(error, errors.DeadlineExceeded):
            self._too_slow(error)
            return
        if not isinstance(error, errors.Unavailable):
            raise error
        self._back_off(error)
        again = self._pieces if names is None else {*self._again, *names}
        self._again = {name: None for name in self._pieces if name in again}

    def pause(self) -> float | None:
        """Seconds until something is to be sent again; None when nothing is."""
        if not self._again or self._may_go < 1:
            return None
        return max(self._not_before - self._clock(), 0.0)

    def again(self) -> list[Request]:
        """What is to be sent again by now."""
        if self.pause() != 0:
            return []
        due = [self._pieces[name] for name in list(self._again)[: self._may_go]]
        for piece in due:
            piece.sent = self._clock()
            del self._again[piece.name]
        return [piece.request for piece in due]

    @property
    def _is_slow(self) -> bool:
        return self._pace.window < self._window

    @property
    def _may_go(self) -> int:
        """How many more pieces may be under way: all, unless the server is slow."""
        under_way = len(self._pieces) - len(self._again)
        return self._pace.window - under_way if self._is_slow else len(self._again)

    def _too_slow(self, error: errors.TrueoddsError) -> None:
        waited_for = [each for name, each in self._pieces.items() if name not in self._again]
        if not waited_for:  # a line on which nothing was asked was ended
            self._back_off(error)
            return
        if not self._pace.slower(max(len(each.request.questions) for each in waited_for)):
            raise error
        pieces = [part for each in self._pieces.values() for part in each.cut(self._pace.size)]
        self._pieces = {each.name: each for each in pieces}
        self._again = dict.fromkeys(self._pieces)

    def _failed_at(self, piece: Piece[Key], response: Response) -> list[tuple[Key, Response]]:
        error = errors.from_status(response.error)
        piece.faults += 1
        smaller = [piece] if piece.faults < FAULTS else piece.halves()
        if not smaller:
            self._faulty += 1
            if self._faulty > MOST_FAULTY:
                raise error
            alone = scoring_pb2.Outcome(error=response.error)
            return self._settled(piece, Response(outcomes=[alone]))
        del self._pieces[piece.name]
        self._pieces |= {each.name: each for each in smaller}
        self._again |= {each.name: None for each in smaller}
        self._back_off(error)
        return []

    def _settled(self, piece: Piece[Key], response: Response) -> list[tuple[Key, Response]]:
        """The answers to hand on, now that this piece has its own."""
        self._forget(piece)
        answer = piece.answered(response)
        if answer is None:
            return []
        for other in [each for each in self._pieces.values() if each.batch is piece.batch]:
            self._forget(other)  # what is wrong with all is wrong with them
        batch = self._batches.pop(piece.batch.number)
        if not self._ordered:
            return [(batch.key, answer)]
        self._held[batch.number] = batch.key, answer
        ready = []
        while self._given in self._held:
            ready.append(self._held.pop(self._given))
            self._given += 1
        return ready

    def _forget(self, piece: Piece[Key]) -> None:
        del self._pieces[piece.name]
        self._again.pop(piece.name, None)

    def _back_off(self, error: errors.TrueoddsError) -> None:
        now = self._clock()
        told = error.retry_seconds or 0.0 if isinstance(error, errors.Unavailable) else 0.0
        if not self._rounds:
            self._backing_off_since = now
        # Who is told to come back when patience is at its end need not wait for that.
        if now + told - self._backing_off_since > self._patience:
            raise error
        # What fails together counts once.
        if now >= self._not_before:
            # Bounded before it is a float, which holds no such power of two.
            doubled = FIRST_PAUSE * 2 ** min(self._rounds, _MOST_DOUBLINGS)
            self._not_before = now + min(doubled, LONGEST_PAUSE)
            self._rounds += 1
        # Before the server says so it would only be refused again.
        self._not_before = max(self._not_before, now + told)


def _unavailable(response: Response) -> errors.TrueoddsError | None:
    """Why a batch has to be asked again, as a whole."""
    failed = [response.error] if response.HasField("error") else []
    failed += [each.error for each in response.outcomes if each.HasField("error")]
    for status in failed:
        error = errors.from_status(status)
        if isinstance(error, errors.Unavailable):
            return error
    return None
