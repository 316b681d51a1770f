"""Who is in the engine: any number of calls together, or one of them alone."""

import asyncio


class Turns:
    """Lets calls in: none beside one that has to be alone, nor while that one waits to be."""

    def __init__(self) -> None:
        self._together = 0
        self._has_alone = False
        self._emptied = asyncio.Event()
        self._emptied.set()

    def take(self, *, alone: bool) -> bool:
        """Whether a call is let in; it counts until ``leave``."""
        if self._has_alone:
            return False
        if alone:
            self._has_alone = True
        else:
            self._together += 1
            self._emptied.clear()
        return True

    def leave(self, *, alone: bool) -> None:
        if alone:
            self._has_alone = False
        else:
            self._together -= 1
            if not self._together:
                self._emptied.set()

    async def emptied(self) -> None:
        """Waits until whoever was there before a call that has to be alone has left."""
        await self._emptied.wait()
