"""Whether a file is still the one that was read before, found out without reading it."""

import os
import time
from pathlib import Path
from typing import NamedTuple

# Two writes can fall into one tick of a file system's clock.
_TICK_NANOSECONDS = 2 * 10**9


class Identity(NamedTuple):
    """A state of a file. The system sets ``ctime_ns`` at every write; nobody else can."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Identity":
        """Raises OSError."""
        stat = path.stat()
        return cls.of_stat(stat)

    @classmethod
    def of_stat(cls, stat: os.stat_result) -> "Identity":
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    def is_settled(self) -> bool:
        """Whether a later write would show: the last one is some ticks ago."""
        return time.time_ns() - max(self.mtime_ns, self.ctime_ns) > _TICK_NANOSECONDS
