"""A queue in which nobody's length makes another wait: deficit round robin over its owners.

Each owner in turn gets as much further as the next, whatever the number and the sizes of what it
has queued (Shreedhar and Varghese 1996). Who has nothing queued goes before those who have, with as
much as a turn in each round (about as the new flows of RFC 8290).
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

# What an owner gets in one turn: about a prompt, in tokens.
_QUANTUM = 256


class FairQueue(Generic[Item]):
    """Items with sizes, first in first out for each owner. Every operation takes constant time."""

    def __init__(self, quantum: int = _QUANTUM) -> None:
        self._quantum = quantum
        # The first is whose turn it is; an owner with nothing queued is there until his turn comes.
        # An OrderedDict: taking its first costs no search.
        self._owners: OrderedDict[str, OrderedDict[Item, int]] = OrderedDict()
        self._sizes: dict[str, int] = {}
        # What each may still take at his turn. The last item may be more than that: it is a debt.
        self._credits: dict[str, int] = {}
        self._waiting = 0
        self.size = 0
        """Of all items together."""

    def __bool__(self) -> bool:
        return self._waiting > 0

    def __contains__(self, owner: str) -> bool:
        """Whether anything of an owner's is queued."""
        return bool(self._owners.get(owner))

    def ahead_of(self, owner: str) -> int:
        """About how much goes before an item that ``owner`` would add."""
        own = self._sizes.get(owner, 0)
        others = self._waiting - (owner in self)
        return min(self.size, own + others * max(own, self._quantum))

    def add(self, owner: str, item: Item, size: int) -> None:
        if owner not in self._owners:
            self._owners[owner] = OrderedDict()
            self._sizes[owner], self._credits[owner] = 0, self._quantum
        if owner not in self:
            self._waiting += 1
            if self._credits[owner] > 0:
                self._owners.move_to_end(owner, last=False)
        self._owners[owner][item] = size
        self._grow(owner, size)

    def first(self) -> tuple[Item, int]:
        """Whose turn it is, with its size. Raises StopIteration where there is none."""
        while True:
            owner, items = next(iter(self._owners.items()))
            if not items:
                self._forget(owner)
                continue
            if self._credits[owner] > 0:
                return next(iter(items.items()))
            # The next turn is the others', unless nobody else waits.
            rounds = 1 if self._waiting > 1 else 1 - self._credits[owner] // self._quantum
            self._credits[owner] += rounds * self._quantum
            self._owners.move_to_end(owner)

    def take(self) -> Item:
        """Takes the first out."""
        item, size = self.first()
        owner = next(iter(self._owners))
        self._credits[owner] -= size
        self.remove(owner, item)
        return item

    def remove(self, owner: str, item: Item) -> None:
        """Takes out one that does not wait any more; nothing where it is not in the queue."""
        items = self._owners.get(owner, OrderedDict[Item, int]())
        size = items.pop(item, None)
        if size is None:
            return
        self._grow(owner, -size)
        if items:
            return
        self._waiting -= 1
        # Until the others have had their turns, nothing is added to what is left.
        self._owners.move_to_end(owner)
        if not self._waiting:
            for each in [*self._owners]:
                self._forget(each)

    def _forget(self, owner: str) -> None:
        del self._owners[owner], self._sizes[owner], self._credits[owner]

    def _grow(self, owner: str, size: int) -> None:
        self.size += size
        self._sizes[owner] += size
