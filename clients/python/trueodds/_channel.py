"""What both clients agree on about their channel."""

import json
import os

DEFAULT_SERVER = "localhost:50051"

# How long one call may take, in seconds, and how long a fit, which scores many prompts.
TIMEOUT = 120.0
FIT_TIMEOUT = 3600.0
# The least that a call of wait_until_ready may take: enough to learn that nobody is there.
ATTEMPT_TIMEOUT = 5.0

# How many questions and bytes of them travel in one message at most: enough to fill an engine's
# steps, few enough for a progress bar to move and for a server's limit on messages.
BATCH = 128
BATCH_BYTES = 4 * 2**20
# Messages under way at once: the engine works on one while another is converted.
WINDOW = 3
# Of a stream, which has no round trip to wait for; and for how many seconds it may do without a
# server, which can be as long as an engine takes to load.
STREAM_WINDOW = 8
PATIENCE = 300.0

# Every call can be repeated: scores and fits give the same again, an activation of what is
# active changes nothing, and a rollback names what it takes back.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        },
        # Streams go on by themselves, with what has no answer; a stream that gRPC has repeated can
        # lose messages on the way.
        {"name": [{"service": "trueodds.v1.ScoringService", "method": "StreamScore"}]},
    ]
}

OPTIONS: list[tuple[str, str | int]] = [
    # How large a message may be is the server's to say; what it sends is what was asked for.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 1),
    ("grpc.service_config", json.dumps(_RETRIES)),
]


def server_address(server: str | None) -> str:
    """What was given, else TRUEODDS_SERVER, else this machine."""
    return server or os.environ.get("TRUEODDS_SERVER") or DEFAULT_SERVER
