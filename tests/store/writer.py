"""A process that writes to a store: ``writer.py URL THREADS COUNT TAG``.

Each thread puts and activates ``COUNT`` calibrators of its own, all in one scope, and prints the
sequence of each as soon as the store has accepted it.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from trueodds_service.store import Calibrator, Scope, SqlCalibratorStore, upgrade

SCOPE = Scope("demo-aligned", "3f2a", "", "paren", 1, 4)


def main(url: str, threads: int, count: int, tag: str) -> None:
    """Write; the tag and the thread make each one's calibrators its own."""
    upgrade(url)
    store = SqlCalibratorStore(url)

    def write(thread: int) -> None:
        for number in range(count):
            calibrator = Calibrator(
                scope=SCOPE,
                method=f"{tag}-{thread}",
                parameters={"temperature": (1.0 + number,)},
            )
            store.put(calibrator)
            activation = store.activate("demo-aligned", calibrator.id)
            print(f"{activation.sequence} {calibrator.id}\n", end="", flush=True)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(write, thread) for thread in range(threads)]:
            done.result()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
