"""What both clients agree on about their channel."""

import json
from typing import Any

from trueodds._address import is_loopback

# How long one call may take, in seconds, and how long a fit, which scores many prompts.
TIMEOUT = 120.0
FIT_TIMEOUT = 3600.0
# The least that a call of wait_until_ready may take: enough to find out that no server listens.
ATTEMPT_TIMEOUT = 5.0

# How many questions and bytes of them travel in one message at most: enough to fill an engine's
# steps, few enough for a progress bar to move and for a server's limit on messages.
BATCH = 128
BATCH_BYTES = 4 * 2**20
# Messages under way at once, a connection: the engine works on one while another is converted.
WINDOW = 3
# The same of a stream, which has no round trip to wait for; and for how many seconds it may do
# without a server, which can be as long as an engine takes to load.
STREAM_WINDOW = 8
PATIENCE = 300.0

# How often a call that found the server unavailable is sent again; more, gRPC would not do.
RETRIES = 3
MOST_RETRIES = 4
# More would be no client any more.
MOST_CONNECTIONS = 256

_CALIBRATION = "trueodds.v1.CalibrationService"

# How long a connection may be silent before it is asked whether it lives: what stands between, such
# as a balancer, may have dropped it without a word. The server allows half of it.
KEEPALIVE_SECONDS = 60.0
KEEPALIVE_TIMEOUT = 20.0
# The longest pause before a call is sent again, or a server that was away is looked for again: of
# the latter gRPC's own grow to two minutes, in which one that is back would not be found.
LONGEST_PAUSE_SECONDS = 2.0
# And the first one, before it is sent again; each is twice as long as the one before.
FIRST_PAUSE_SECONDS = 0.2


def channel_options(address: str, retries: int) -> list[tuple[str, str | int]]:
    """How to talk to the server at this address. Raises ValueError."""
    if not 0 <= retries <= MOST_RETRIES:
        raise ValueError(f"retries: {retries} is not from 0 to {MOST_RETRIES}")
    return [
        # How large a message may be is the server's to say; what it sends is what was asked for.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # A connection for each client: a service may have several gateways at its address, among
        # which connections are dealt out.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_reconnect_backoff_ms", round(1000 * LONGEST_PAUSE_SECONDS)),
        ("grpc.keepalive_time_ms", round(1000 * KEEPALIVE_SECONDS)),
        ("grpc.keepalive_timeout_ms", round(1000 * KEEPALIVE_TIMEOUT)),
        # gRPC would give up asking after two times without data, as in a long fit.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_http_proxy", 0 if is_loopback(address) else 1),
        ("grpc.enable_retries", 1 if retries else 0),
        ("grpc.service_config", json.dumps(_service_config(retries))),
    ]


def checked_connections(connections: int) -> int:
    """Raises ValueError."""
    if not 1 <= connections <= MOST_CONNECTIONS:
        raise ValueError(f"connections: {connections} is not from 1 to {MOST_CONNECTIONS}")
    return connections


def _service_config(retries: int) -> dict[str, Any]:
    """What can be repeated without a look at how it failed: scores give the same again, and an
    activation of what is active changes nothing.
    """
    if not retries:
        return {}
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": f"{FIRST_PAUSE_SECONDS:g}s",
        "maxBackoff": f"{LONGEST_PAUSE_SECONDS:g}s",
        "backoffMultiplier": 2,
        # What can succeed later; nothing else is ever sent again. Where something is exhausted the
        # server says when. CANCELLED is a server that stops before it has taken the call in: what
        # the caller cancels is not sent again.
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
    }
    return {
        "methodConfig": [
            {"name": [{}], "retryPolicy": policy},
            # Streams go on by themselves, with what has no answer; fits, evaluations and checks are
            # repeated by us: a stream that gRPC has repeated can lose messages on the way, or
            # never end, where the server was killed. So are deletions and rollbacks: what is gone
            # already is refused the second time, which is no failure where the first one did it.
            {
                "name": [
                    {"service": "trueodds.v1.ScoringService", "method": "StreamScore"},
                    {"service": _CALIBRATION, "method": "FitCalibrator"},
                    {"service": _CALIBRATION, "method": "EvaluateCalibrator"},
                    {"service": _CALIBRATION, "method": "CheckCalibrator"},
                    {"service": _CALIBRATION, "method": "StreamFitCalibrator"},
                    {"service": _CALIBRATION, "method": "StreamEvaluateCalibrator"},
                    {"service": _CALIBRATION, "method": "DeleteCalibrator"},
                    {"service": _CALIBRATION, "method": "RollbackCalibrator"},
                ]
            },
        ]
    }
