"""What goes on all the time beside what a drill does."""

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def beside(step: Callable[[], None], *, pause: float, most_seconds: float) -> Iterator[None]:
    """Takes ``step`` again and again in a thread, ``pause`` seconds apart, which may take
    ``most_seconds`` each.
    """
    stop = threading.Event()

    def steps() -> None:
        while not stop.is_set():
            step()
            stop.wait(pause)

    thread = threading.Thread(target=steps, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(2 * most_seconds)
