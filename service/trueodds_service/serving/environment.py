"""What Ray, Serve and vLLM read in the environment when they are imported or started."""

import os
import tempfile

DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's workers give way to every other program by default: on a loaded machine they starve.
    "RAY_worker_niceness": "0",
    # Nor is an engine killed because other programs have filled the machine's memory.
    "RAY_memory_monitor_refresh_ms": "0",
    # Serve asks each replica of the directory how busy it is before a call. On a loaded machine
    # the answer takes longer than its tenth of a second, and it complains each time.
    "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "5",
    "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
}

# The path of a Unix socket has 107 bytes. Ray's longest are 70 bytes beyond the folder:
# /ray/session_2026-11-28_12-00-00_123456_1234567/sockets/plasma_store
_LONGEST = 107 - 70
_SHORT = "/tmp"  # noqa: S108 (Ray and vLLM make folders of their own there, as everybody)


def prepare() -> None:
    """To be called before ``ray.serve`` is imported. What the operator has set is kept."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if (folder := socket_root()) != tempfile.gettempdir():
        os.environ.setdefault("RAY_TMPDIR", folder)
        os.environ.setdefault("VLLM_RPC_BASE_PATH", folder)


def socket_root() -> str:
    """Where folders of sockets are made: the folder of temporary files, unless its name is so
    long that sockets in it could not be.
    """
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST else _SHORT
