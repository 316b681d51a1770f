"""How long after an activation an answer still has the calibrator of before.

    python -m benchmarks.activation [STORE]    # a database URL; a file of SQLite when left out

Three gateways tokenise long questions of eight connections without a pause, over an engine that
takes no time. An activation is made by a ninth, and each answer is held against the last one.
"""

import statistics
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Queue

import yaml

from trueodds import Answer, Client, Method, Question
from trueodds_demo.service import MODELS, running

_GATEWAYS, _CONNECTIONS = 3, 8
_QUESTIONS, _WORDS = 16, 1200
_ACTIVATIONS, _PAUSE_SECONDS = 20, 1.5
_MODEL, _TASK = "fake", "activation"

_Seen = list[tuple[float, str | None]]


def load(address: str, number: int, stop: Event, seen: "Queue[_Seen]") -> None:
    """Asks until ``stop``; when answers came, by the clock of the machine, and their calibrator."""
    told: _Seen = []
    with Client(address) as client:
        count = 0
        while not stop.is_set():
            count += 1
            # No two alike: nothing is taken from a cache.
            texts = [f"{number} {count} {each} word" * (_WORDS // 4) for each in range(_QUESTIONS)]
            questions = [Question(text, list("abcd")) for text in texts]
            answers = client.score_batch(questions, model=_MODEL, task=_TASK, timeout=60)
            now = time.monotonic()
            told += [(now, each.calibrator) for each in answers if isinstance(each, Answer)]
    seen.put(told)


def late(seen: _Seen, activated: list[tuple[float, str]]) -> list[float]:
    """Seconds from each activation until the last answer without it; 0 where there is none."""
    seconds = []
    ends = [moment for moment, _ in activated[1:]] + [float("inf")]
    for (moment, name), end in zip(activated, ends, strict=True):
        others = [at - moment for at, each in seen if moment < at < end and each != name]
        seconds.append(max(others, default=0.0))
    return seconds


def main(store: str = "sqlite:///s.sqlite") -> None:
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serve.yaml"
        model = {
            "name": _MODEL,
            "weights": str(MODELS / "base"),
            "engine": {"backend": "fake", "max_tokens": 16 * _WORDS},
        }
        content = {"listen": "127.0.0.1:0", "store": store, "gateways": _GATEWAYS}
        path.write_text(yaml.safe_dump({**content, "models": [model]}), encoding="utf-8")
        with running(path) as address, Client(address) as client:
            client.wait_until_ready()
            names = [
                client.fit(
                    model=_MODEL, task=_TASK, method=Method.CONSTANT, temperature=each, options=4
                ).name
                for each in (2.0, 3.0)
            ]
            client.activate(names[0])
            stop, queue = context.Event(), context.Queue()
            asking = [
                context.Process(target=load, args=(address, number, stop, queue))
                for number in range(_CONNECTIONS)
            ]
            for each in asking:
                each.start()
            time.sleep(10)  # until they ask
            activated = []
            for number in range(1, _ACTIVATIONS + 1):
                client.activate(names[number % 2])
                activated.append((time.monotonic(), names[number % 2]))
                time.sleep(_PAUSE_SECONDS)
            ended = time.monotonic()
            stop.set()
            seen = [answer for _ in asking for answer in queue.get()]
            for each in asking:
                each.join()
    within = [answer for answer in seen if activated[0][0] < answer[0] < ended]
    seconds = late(within, activated)
    rate = len(within) / (ended - activated[0][0])
    print(f"{_ACTIVATIONS} activations, {len(within):,} answers, {rate:,.0f} a second")
    print(
        f"the last answer of before came {statistics.median(seconds):.2f} s after (median), "
        f"{max(seconds):.2f} s at most"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
