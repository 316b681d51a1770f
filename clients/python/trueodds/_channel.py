"""What both clients agree on about their channel."""

import json
import os

DEFAULT_SERVER = "localhost:50051"

# How many questions travel in one message: enough to fill an engine's steps, few enough for a
# progress bar to move.
BATCH = 128
# Messages under way at once: the engine works on one while another is converted.
WINDOW = 3

_MESSAGE_BYTES = 64 * 2**20

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
        }
    ]
}

OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.enable_retries", 1),
    ("grpc.service_config", json.dumps(_RETRIES)),
]


def server_address(server: str | None) -> str:
    """What was given, else TRUEODDS_SERVER, else this machine."""
    return server or os.environ.get("TRUEODDS_SERVER") or DEFAULT_SERVER
