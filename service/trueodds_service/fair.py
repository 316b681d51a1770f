"""A queue in which nobody's length makes another wait: deficit round robin over its owners.

Each owner in turn gets as much further as the next, whatever the number and the sizes of what it
has queued (Shreedhar and Varghese 1996).
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
        # The first is whose turn it is. An OrderedDict: taking its first costs no search.
        self._owners: OrderedDict[str, OrderedDict[Item, int]] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._deficits: dict[str, int] = {}
        self.size = 0
        """Of all items together."""

    def __bool__(self) -> bool:
        return bool(self._owners)

    def ahead_of(self, owner: str) -> int:
        """About how much goes before an item that ``owner`` would add."""
        own = self._sizes.get(owner, 0)
        others = len(self._owners.keys() - {owner})
        return min(self.size, own + others * max(own, self._quantum))

    def add(self, owner: str, item: Item, size: int) -> None:
        if owner not in self._owners:
            self._owners[owner] = OrderedDict()
            self._sizes[owner] = self._deficits[owner] = 0
        self._owners[owner][item] = size
        self._grow(owner, size)

    def first(self) -> tuple[Item, int]:
        """Whose turn it is, with its size. Raises StopIteration where there is none."""
        while True:
            owner = next(iter(self._owners))
            item, size = next(iter(self._owners[owner].items()))
            if self._deficits[owner] >= size:
                return item, size
            # The next turn is the others', unless nobody else waits.
            rounds = 1 if len(self._owners) > 1 else -(-size // self._quantum)
            self._deficits[owner] += rounds * self._quantum
            self._owners.move_to_end(owner)

    def take(self) -> Item:
        """Takes the first out."""
        item, size = self.first()
        owner = next(iter(self._owners))
        self._deficits[owner] -= size
        self.remove(owner, item)
        return item

    def remove(self, owner: str, item: Item) -> None:
        """Takes out one that does not wait any more; nothing where it is not in the queue."""
        size = self._owners.get(owner, OrderedDict[Item, int]()).pop(item, None)
        if size is None:
            return
        self._grow(owner, -size)
        if not self._owners[owner]:
            # Who has nothing queued saves nothing up.
            del self._owners[owner], self._sizes[owner], self._deficits[owner]

    def _grow(self, owner: str, size: int) -> None:
        self.size += size
        self._sizes[owner] += size
