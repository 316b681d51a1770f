"""A queue in which nobody's length makes another wait: deficit round robin over its owners.

Each owner in turn takes as much as the next, whatever the number and the sizes of what it has
queued (Shreedhar and Varghese 1996). Owners who come with nothing queued go before those who had
something, in the order in which they come, with as much as a turn in each round (after the new
flows of RFC 8290).
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

# What an owner may take in one turn: about a prompt, in tokens.
_QUANTUM = 256


@dataclass(slots=True)
class _Owner(Generic[Item]):
    """What an owner has queued, and how much it may still take in its turn.

    The last item of a turn may be larger than that: then ``credit`` is negative, and the owner
    sits turns out until it is paid.
    """

    credit: int
    items: OrderedDict[Item, int] = field(default_factory=OrderedDict)
    size: int = 0


class FairQueue(Generic[Item]):
    """Items with sizes, first in first out for each owner.

    Adding and removing take constant time, taking an item a time that grows with its size in turns.
    """

    def __init__(self, quantum: int = _QUANTUM) -> None:
        self._quantum = quantum
        # The first of each is whose turn it is. Owners with nothing queued are forgotten when
        # their turn comes and nothing is left to pay; until then they come back with what is left
        # of their credit.
        self._new: OrderedDict[str, _Owner[Item]] = OrderedDict()
        self._old: OrderedDict[str, _Owner[Item]] = OrderedDict()
        self.owners = 0
        """How many have something queued."""
        self.size = 0
        """The size of all items together."""

    def __bool__(self) -> bool:
        return self.owners > 0

    def __contains__(self, owner: str) -> bool:
        """Whether anything of an owner's is queued."""
        found = self._find(owner)
        return found is not None and bool(found.items)

    def number_of(self, owner: str) -> int:
        """How many items an owner has queued."""
        found = self._find(owner)
        return 0 if found is None else len(found.items)

    def ahead_of(self, owner: str) -> int:
        """About how much goes before an item that ``owner`` would add."""
        found = self._find(owner)
        if found is None:
            return min(self.size, self._quantum * len(self._new))
        ahead = found.size - min(found.credit, 0)
        others = self.owners - bool(found.items)
        return min(self.size, found.size + others * max(ahead, self._quantum))

    def add(self, owner: str, item: Item, size: int) -> None:
        found = self._find(owner)
        if found is None:
            found = self._new[owner] = _Owner(self._quantum)
        elif owner in self._old and not found.items and found.credit > 0:
            self._new[owner] = self._old.pop(owner)
        self.owners += not found.items
        found.items[item] = size
        found.size += size
        self.size += size

    def first(self) -> tuple[Item, int]:
        """Whose turn it is, with its size. Raises StopIteration where there is none."""
        while True:
            queue = self._new or self._old
            name, owner = next(iter(queue.items()))
            if owner.credit > 0 and owner.items:
                return next(iter(owner.items.items()))
            del queue[name]
            if owner.credit <= 0:
                # The next turn is the others', unless nobody else waits.
                alone = self.owners == 1 and bool(owner.items)
                turns = 1 + (-owner.credit // self._quantum if alone else 0)
                owner.credit += turns * self._quantum
                self._old[name] = owner
            elif queue is self._new and self._old:
                self._old[name] = owner

    def take(self) -> Item:
        """Takes the first out."""
        item, size = self.first()
        name, owner = next(iter((self._new or self._old).items()))
        owner.credit -= size
        self.remove(name, item)
        return item

    def remove(self, owner: str, item: Item) -> None:
        """Takes out one that does not wait any more; nothing where it is not in the queue."""
        found = self._find(owner)
        size = None if found is None else found.items.pop(item, None)
        if found is None or size is None:
            return
        found.size -= size
        self.size -= size
        self.owners -= not found.items
        if not self.owners:
            self._new.clear()
            self._old.clear()

    def _find(self, owner: str) -> _Owner[Item] | None:
        return self._new.get(owner) or self._old.get(owner)
