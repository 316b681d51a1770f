"""How much travels at once: less where the server is too slow for the timeout."""

import sys


class Pace:
    """The questions of a message, and the messages under way, that fit into ``timeout`` seconds.

    Begins with all that is asked, in ``window`` messages at once. A message that is not answered
    in time is cut in four, and goes alone; where answers come quickly again, messages grow.
    """

    def __init__(self, window: int, timeout: float) -> None:
        self._whole = window
        self._timeout = timeout
        self.window = window
        self.size = sys.maxsize

    def slower(self, sent: int) -> bool:
        """A message of ``sent`` questions was not answered in time. Whether less can be tried."""
        if sent <= 1 and self.window == 1:
            return False
        # What was sent before the last cut tells nothing new.
        self.size, self.window = min(self.size, max(sent // 4, 1)), 1
        return True

    def answered(self, seconds: float) -> None:
        """A message was answered after ``seconds``."""
        if self.size == sys.maxsize:
            return
        # Twice as many questions, or as many messages at once, still take half of the time.
        if seconds < self._timeout / 4:
            self.size = min(2 * self.size, sys.maxsize)
        if seconds < self._timeout / (4 * self._whole):
            self.window = self._whole
