"""Python's garbage collection, in a process that serves."""

import gc

# Requests leave hardly any cycles; at the default of 700 objects each would have a collection.
_YOUNG_OBJECTS = 5_000


def collect_rarely() -> None:
    """Exempts what is here now, and makes collections rare: their pauses are seen in latencies."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
