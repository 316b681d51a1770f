"""What Ray, Serve and vLLM read in the environment when they are imported or started."""

import os
import secrets
import tempfile

DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's workers give way to every other program by default: on a loaded machine they starve.
    "RAY_worker_niceness": "0",
    # And no engine is killed because other programs have filled the machine's memory.
    "RAY_memory_monitor_refresh_ms": "0",
    # Serve asks each replica of the directory how busy it is before a call. On a loaded machine
    # the answer takes longer than its tenth of a second, and it complains each time.
    "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "5",
    "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
}

# Named for the systems where Ray keeps to loopback by itself.
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"

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


def keep_to_this_machine() -> None:
    """For a Ray of our own, also before it is imported: its dozen ports are on loopback alone,
    which Ray does by itself on other systems only, and whoever asks them needs a token of this
    start. Whatever token and mode the environment has are those of another Ray.
    """
    os.environ[_CLUSTERS] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def keeps_to_this_machine() -> bool:
    """Whether this process is of a Ray of our own."""
    return os.environ.get(_CLUSTERS) == "0"


def show_a_token() -> None:
    """For a Ray that others have started: it is asked with its token, unless the operator has said
    that it has none (RAY_AUTH_MODE=disabled).
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")


def socket_root() -> str:
    """Where folders of sockets are made: the folder of temporary files, unless its name is so
    long that sockets in it could not be.
    """
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST else _SHORT
