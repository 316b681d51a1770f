"""Serve's own port in each of its replicas, which it opens to every network."""

from typing import Any

from trueodds_service.serving import environment


def keep_serve_to_this_machine() -> None:
    """To be called while a replica is made, before Serve opens the port: where Ray is our own, it
    is on loopback as Ray's others are. Serve has no setting for it.
    """
    if not environment.keeps_to_this_machine():
        return
    from ray.serve._private import replica as serve_replica  # noqa: PLC0415 (in a replica it is there)

    opened = serve_replica.add_port_to_grpc_server

    def on_loopback(server: Any, address: str) -> int:
        port: int = opened(server, address.replace("[::]", "127.0.0.1"))
        return port

    setattr(serve_replica, "add_port_to_grpc_server", on_loopback)  # noqa: B010 (not typed)
