"""Time that a test makes: seconds of it take none, on a busy machine, too."""

import asyncio
import selectors


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop that does not wait: where nothing is to be done it is later at once."""

    def __init__(self):
        super().__init__(_Jumping())

    def time(self):
        return self._selector.now

    def work(self, seconds):
        """Takes the loop this long."""
        self._selector.now += seconds


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout=None):
        self.now += timeout
        return super().select(0)
