"""Growing pauses before an engine that dies again and again is started once more."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

# A process that lives shorter than this has died at once.
_SHORT_SECONDS = 30.0
_FIRST_SECONDS, _LONGEST_SECONDS = 0.125, 30.0


def pause_before_start(record: Path) -> float:
    """Seconds that this process is to wait before its engine starts, which is noted in ``record``.

    None for one that takes the place of none, or of an engine that lived; 1/8 for the first one
    after an engine that died at once, and twice as long for each one after that, up to half a
    minute. Engines of a model that start side by side share the record.
    """
    with record.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        noted = _parsed(file.read())
        pause = _take_up(noted)
        file.truncate(0)
        file.write(json.dumps(noted))
    return pause


def _take_up(noted: dict[str, Any]) -> float:
    """Notes this process in place of one that has ended, if any."""
    now = time.time()
    ended = [pid for pid in noted["started"] if not psutil.pid_exists(int(pid))]
    if ended:
        replaced = max(ended, key=noted["started"].__getitem__)
        died_at_once = now - noted["started"].pop(replaced) < _SHORT_SECONDS
        noted["in_a_row"] = noted["in_a_row"] + 1 if died_at_once else 0
    in_a_row = noted["in_a_row"] if ended else 0
    pause = min(_FIRST_SECONDS * 2 ** (in_a_row - 1), _LONGEST_SECONDS) if in_a_row else 0.0
    noted["started"][str(os.getpid())] = now + pause
    return float(pause)


def _parsed(content: str) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError:
        return {"started": {}, "in_a_row": 0}
