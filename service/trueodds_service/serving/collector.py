"""Python's collector of garbage, in a process that serves."""

import gc

# Requests leave hardly any cycles, and at the default of 700 objects a look comes within each.
_YOUNG_OBJECTS = 20_000


def leave_alone() -> None:
    """What is here now stays: its pauses would be seen in the latencies. And it looks seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
