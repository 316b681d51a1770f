"""The replicas of a model that a gateway has connections to."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trueodds_service.engine.link.connection import Connection
from trueodds_service.engine.link.messages import LINK_VERSION
from trueodds_service.errors import class_and_place
from trueodds_service.serving.directory import Announcement

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A replica, and when it came: its number among all that did."""

    announcement: Announcement
    connection: Connection
    arrival: int


class Membership:
    """Connects to replicas as they are announced, and keeps each until the link loses it."""

    def __init__(self, model: str, node: str, revisions: Mapping[str, str]) -> None:
        """``revisions`` are those of the model and of its adapters, by name."""
        self._model = model
        self._node = node
        self._revisions = dict(revisions)
        self._members: dict[int, Member] = {}
        self._connecting: dict[int, asyncio.Task[None]] = {}
        # Why these are not asked is in the log.
        self._passed_over: set[int] = set()
        self._arrivals = self._lost = 0
        self._changed = asyncio.Event()

    @property
    def members(self) -> Mapping[int, Member]:
        """By the replica's id."""
        return self._members

    @property
    def free(self) -> dict[int, Member]:
        """Those that take calls now."""
        return {
            replica: member
            for replica, member in self._members.items()
            if not member.connection.is_busy
        }

    @property
    def newest(self) -> Member | None:
        """The newest replica, by its own time: the same one for all gateways that know it."""
        return max(self._members.values(), key=_age, default=None)

    @property
    def arrivals(self) -> int:
        """How many have come so far."""
        return self._arrivals

    @property
    def lost(self) -> int:
        """How many were gone without a word."""
        return self._lost

    @property
    def passed_over(self) -> Collection[int]:
        """Those that are not to be asked."""
        return self._passed_over

    def newest_since(self, arrivals: int) -> Member | None:
        """The newest of those that have come after the first ``arrivals``."""
        since = [each for each in self._members.values() if each.arrival > arrivals]
        return max(since, key=_age, default=None)

    async def changed(self) -> None:
        """Waits until one comes, goes, or is free again."""
        await self._changed.wait()

    def learn(self, announced: Collection[Announcement]) -> None:
        """Connects to those that are new here."""
        for each in announced:
            if stranger := self._stranger(each):
                if each.replica not in self._passed_over:
                    self._passed_over.add(each.replica)
                    _log.error("models/%s: a replica is not asked: %s", self._model, stranger)
            elif each.replica not in self._members and each.replica not in self._connecting:
                task = asyncio.create_task(self._connect(each))
                self._connecting[each.replica] = task

    def takes(self, announced: Announcement) -> bool:
        """Whether it is to be asked, by what it says of itself."""
        return self._stranger(announced) is None

    def close(self) -> None:
        for task in self._connecting.values():
            task.cancel()
        for member in self._members.values():
            member.connection.close()
        self._members.clear()

    def _stranger(self, announced: Announcement) -> str | None:
        """Why it is not to be asked; None where it is."""
        # A replica of an older version may not tell its own.
        if (link := getattr(announced, "link", None)) != LINK_VERSION:
            return (
                "it is of another version of the service, whose messages are of version "
                f"{link}, this gateway's of {LINK_VERSION}"
            )
        if announced.revisions != self._revisions:
            return (
                f"its weights, on node {announced.host}, are not those of this node "
                f"({_told(announced.revisions)}, and here {_told(self._revisions)})"
            )
        return None

    async def _connect(self, announced: Announcement) -> None:
        try:
            connection = await Connection.open(
                announced.endpoint(self._node),
                lambda: self._lose(announced.replica),
                announced.keys,
                self._change,
            )
        except OSError:
            return  # gone, or going: if it is announced again, it is tried again
        except Exception as error:
            _log.error("models/%s: no connection: %s", self._model, class_and_place(error))
            return
        finally:
            del self._connecting[announced.replica]
        if connection.is_open:  # else lost before anybody could be told
            self._arrivals += 1
            self._members[announced.replica] = Member(announced, connection, self._arrivals)
            self._change()

    def _lose(self, replica: int) -> None:
        if member := self._members.pop(replica, None):
            self._lost += not member.connection.is_closing
            self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _age(member: Member) -> tuple[float, int]:
    return member.announcement.started, member.announcement.replica


def _told(revisions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {revision}" for name, revision in sorted(revisions.items()))
