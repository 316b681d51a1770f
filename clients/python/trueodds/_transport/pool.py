"""The connections of one client, and which of them a call goes over."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from trueodds._transport.base import Stubs

Channel = TypeVar("Channel")


@dataclass(slots=True, eq=False)
class Connection(Generic[Channel]):
    """A channel, and how many calls are under way on it; ``turn`` is when it last got one."""

    channel: Channel
    stubs: Stubs
    under_way: int = 0
    turn: int = 0


class Pool(Generic[Channel]):
    """Deals calls out to connections: to the one with the fewest under way, equals in turn.

    Several gateways may listen at one address; a connection reaches one of them. Thread-safe.
    """

    def __init__(self, connections: Sequence[Connection[Channel]]) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._turn = 0

    def begin(self, start: Callable[[Stubs], Any]) -> Any:
        """Starts a call over one connection, which counts it until it is done."""
        connection = self._take()
        try:
            call = start(connection.stubs)
        except BaseException:
            self._give_back(connection)
            raise
        call.add_done_callback(lambda _: self._give_back(connection))
        return call

    @contextmanager
    def one(self) -> Iterator[Stubs]:
        """One of them for a call that is made inside."""
        connection = self._take()
        try:
            yield connection.stubs
        finally:
            self._give_back(connection)

    def channels(self) -> list[Channel]:
        return [each.channel for each in self._connections]

    def _take(self) -> Connection[Channel]:
        with self._lock:
            freest = min(self._connections, key=lambda each: (each.under_way, each.turn))
            self._turn += 1
            freest.turn = self._turn
            freest.under_way += 1
            return freest

    def _give_back(self, connection: Connection[Channel]) -> None:
        with self._lock:
            connection.under_way -= 1
