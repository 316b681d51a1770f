"""The nodes of the cluster, by Ray's names for them."""

import socket
from collections.abc import Collection

import ray


def here() -> str:
    """The one that this process is on."""
    if ray.is_initialized():
        return str(ray.get_runtime_context().get_node_id())
    return socket.gethostname()


def address() -> str:
    """The address at which other nodes of the cluster reach this process's node."""
    return str(ray.util.get_node_ip_address()) if ray.is_initialized() else "127.0.0.1"


def lost(nodes: Collection[str]) -> set[str]:
    """Those of ``nodes`` that Ray knows to be gone for good. Asks Ray, and waits."""
    if not nodes or not ray.is_initialized():
        return set()
    return {each["NodeID"] for each in ray.nodes() if not each["Alive"]}.intersection(nodes)
