"""What a key costs: the first call with it, and each after that. Run: python -m benchmarks.keys"""

import asyncio
import tempfile
import time

from trueodds_service.caller import Permission
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.identity import permissions
from trueodds_service.edge.identity.identities import KnownClients
from trueodds_service.edge.identity.known_keys import KnownKeys
from trueodds_service.store import SqlKeyStore, upgrade

_KEYS = 20
_ROUNDS = 30
_CALLS = 100


async def measure(url: str) -> tuple[float, float]:
    """The seconds of a first call and of one after it; of the latter the best of some rounds."""
    store = SqlKeyStore(url)
    can = {Permission.SCORE}
    texts = [store.create(f"key{n}", tenant="t", permissions=can)[1] for n in range(_KEYS)]
    keys = KnownKeys(store)
    await keys.refresh()
    clients = KnownClients(keys, [])
    arrivals = [
        Arrival("trueodds.v1.ScoringService/Score", {"authorization": f"Bearer {text}"})
        for text in texts
    ]

    async def ask() -> None:
        for arrival in arrivals:
            permissions.check(await clients.caller(arrival), arrival.method)

    began = time.perf_counter()
    await ask()
    first = (time.perf_counter() - began) / _KEYS
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_CALLS):
            await ask()
        rounds.append((time.perf_counter() - began) / _CALLS / _KEYS)
    keys.close()
    return first, min(rounds)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.sqlite"
        upgrade(url)
        first, again = asyncio.run(measure(url))
    print(f"first call with a key: {first * 1e3:.0f} ms; each after it: {again * 1e6:.1f} µs")


if __name__ == "__main__":
    main()
