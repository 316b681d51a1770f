"""Growing pauses before an engine that dies again and again is started once more."""

import json
import time
from pathlib import Path

# Who lives shorter than this has died at once.
_SHORT_SECONDS = 30.0
_FIRST_SECONDS, _LONGEST_SECONDS = 0.125, 30.0


def pause_before_start(record: Path) -> float:
    """Seconds to wait before this start, which is noted in ``record``.

    None for an engine that lived; 1/8 for the first one that died at once, and twice as long for
    each one after that, up to half a minute.
    """
    now = time.time()
    try:
        last = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = {"started": 0.0, "in_a_row": -1}
    died_at_once = 0 <= now - last["started"] < _SHORT_SECONDS
    in_a_row = last["in_a_row"] + 1 if died_at_once else 0
    pause = min(_FIRST_SECONDS * 2 ** (in_a_row - 1), _LONGEST_SECONDS) if in_a_row else 0.0
    record.write_text(json.dumps({"started": now + pause, "in_a_row": in_a_row}), encoding="utf-8")
    return pause
