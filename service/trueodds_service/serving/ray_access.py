"""Whether a Ray that others have started lets in everybody."""

from typing import Any

import grpc

_SECONDS = 5.0
_WANTS_TOKEN = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
# Of Ray's control service; without a node to ask about it does nothing.
_METHOD = "/ray.rpc.NodeInfoGcsService/CheckAlive"


def answers_anybody(address: str) -> bool:
    """Whether Ray's control service at this address answers who shows no token.

    Whoever it answers can run what they like on each of its nodes. Where it says anything else than
    that it wants a token, nobody knows that it does.
    """
    with grpc.insecure_channel(address) as channel:
        ask: Any = channel.unary_unary(_METHOD)
        try:
            ask(b"", timeout=_SECONDS)
        except grpc.RpcError as error:
            return error.code() not in _WANTS_TOKEN
    return True
