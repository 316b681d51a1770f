"""The nodes of the cluster, by Ray's names for them."""

import errno
import logging
import socket
import time
from collections.abc import Callable, Collection
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trueodds_service.errors import class_and_place
from trueodds_service.serving import environment

_log = logging.getLogger(__name__)

# The processes of a node that goes down end one after another.
_SETTLE_SECONDS = 2.0
# How long a node may take to answer.
_ANSWER_SECONDS = 2.0
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}


class NoAnswer(Exception):
    """A node has not answered in time; says so."""


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


def is_gone(node: str) -> bool:
    """Whether a node of which a process has just ended is gone with it. Asks the node itself: Ray
    notices late that one is silent. Waits some seconds. False where nobody knows.
    """
    # The only node of a Ray of our own cannot go without this process.
    if not ray.is_initialized() or environment.keeps_to_this_machine():
        return False
    time.sleep(_SETTLE_SECONDS)
    try:
        living = {each["NodeID"]: each for each in ray.nodes() if each["Alive"]}
    except RayError as error:
        _log.warning("Ray does not say which nodes live: %s", class_and_place(error))
        return False
    if node not in living:
        return True
    at = living[node]["NodeManagerAddress"], living[node]["NodeManagerPort"]
    try:
        socket.create_connection(at, _ANSWER_SECONDS).close()
    except OSError as error:
        # Anything else tells of this process.
        return isinstance(error, TimeoutError | ConnectionError) or error.errno in _UNREACHABLE
    return False


def ask_each(question: Callable[..., Any], *arguments: object, seconds: float) -> dict[str, Any]:
    """What a function returns on each node, by the node's address; an exception where it raises
    one, or NoAnswer after ``seconds`` for all together: a process starts on each, which takes some.
    A node that goes meanwhile is left out.
    """
    asked = {
        node["NodeManagerAddress"]: ray.remote(num_cpus=0)(question)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(*arguments)
        for node in ray.nodes()
        if node["Alive"]
    }
    ray.wait([*asked.values()], num_returns=len(asked), timeout=seconds)
    told: dict[str, Any] = {}
    for node, answer in asked.items():
        try:
            told[node] = ray.get(answer, timeout=0)
        except GetTimeoutError:
            told[node] = NoAnswer(f"has not answered for {seconds:g} s")
        except RayTaskError as error:
            told[node] = error.cause
        except RayError:
            pass  # it is gone meanwhile
    return told
