"""How many outcomes a second a service keeps, of each database; over gRPC, with one gateway.

Answers of the fake engine, with receipts; their outcomes from several callers at once, as the
client sends them, in messages of 2,000; then the same again, and then each corrected. PostgreSQL
is that of the tests, which here waits for the disk.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.postgres import running as postgresql

from benchmarks.fake_service import MODEL, fake_service
from benchmarks.machine import called, machine, versions
from benchmarks.report import console, write
from trueodds import Answer, Client, Outcome, Question

_DATABASES = ("sqlite", "postgresql")
_OPTIONS = 4


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outcomes", description=__doc__)
    add = parser.add_argument
    add("--databases", nargs="+", choices=_DATABASES, default=_DATABASES)
    add("--outcomes", type=int, default=100_000)
    add("--callers", type=int, default=4)
    add("--output", type=Path, default=Path("build/bench/outcomes.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "command": called("benchmarks.outcomes"),
        "machine": machine(),
        "versions": versions(),
        "outcomes": options.outcomes,
        "callers": options.callers,
    }
    for name in options.databases:
        with _store(name) as store, fake_service(store=store) as address:
            result[name] = _measured(address, options.outcomes, options.callers)
        console.print_json(json.dumps({name: result[name]}))
    write(result, options.output)


def _measured(address: str, count: int, callers: int) -> dict[str, float]:
    """Outcomes a second: new ones, known ones and corrections."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(callers)]
        receipts = _receipts(clients[0], count)
        shares = [receipts[number::callers] for number in range(callers)]

        def rate(option: int, field: str) -> float:
            began = time.perf_counter()
            with ThreadPoolExecutor(callers) as threads:
                told = list(
                    threads.map(
                        lambda client, share: client.record_outcomes(
                            [Outcome(receipt, option) for receipt in share], timeout=600
                        ),
                        clients,
                        shares,
                    )
                )
            took = time.perf_counter() - began
            if sum(getattr(each, field) for each in told) != count:
                raise RuntimeError(f"of {count} outcomes are {field}: {told}")
            return round(count / took, 1)

        return {
            "new": rate(0, "recorded"),
            "again": rate(0, "unchanged"),
            "corrected": rate(1, "corrected"),
        }


def _receipts(client: Client, count: int) -> list[bytes]:
    options = [f"option {number}" for number in range(_OPTIONS)]
    answers = client.score_batch(
        [Question(f"question {number}", options) for number in range(count)],
        model=MODEL,
        receipts=True,
        timeout=3600,
    )
    return [each.receipt for each in answers if isinstance(each, Answer) and each.receipt]


@contextmanager
def _store(name: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if name == "sqlite":
            yield f"sqlite:///{folder}/s.sqlite"
        else:
            yield stack.enter_context(postgresql(durable=True)).database()


if __name__ == "__main__":
    main()
