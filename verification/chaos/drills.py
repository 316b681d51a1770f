"""All drills, by name, in the order in which they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from verification.chaos import (
    attacks,
    back,
    changing,
    credentials,
    http_attacks,
    killed_writer,
    killing,
    nodes,
    overload,
    pausing,
    siege,
    soak,
    upgrading,
)
from verification.chaos.databases import KINDS
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL, VLLM


@dataclass(frozen=True)
class Drill:
    """``run`` takes the number of tries, of which ``tries`` are a whole run."""

    run: Callable[[int], Result]
    tries: int


def _killed_writer(writer: killed_writer.Writer[Any], kind: str) -> Drill:
    return Drill(lambda tries: killed_writer.drill(writer, kind, tries), killed_writer.TRIES)


_WRITERS: tuple[killed_writer.Writer[Any], ...] = (
    killed_writer.CALIBRATORS,
    killed_writer.OUTCOMES,
)

_ATTACKS: Mapping[str, tuple[siege.Attack, int]] = {
    "malformed-messages": (attacks.malformed_messages, 20_000),
    "broken-connections": (attacks.broken_connections, 1_000),
    "slow-readers-and-writers": (attacks.slow_readers_and_writers, 100),
    "http2-floods": (attacks.floods, 10_000),
    "http-malformed-bodies": (http_attacks.malformed_bodies, 5_000),
    "http-broken-connections": (http_attacks.broken_http, 1_000),
    "http-slow-readers-and-writers": (http_attacks.slow_http, 100),
    "http-floods": (http_attacks.http_floods, 10_000),
}

_VICTIMS = {
    "replica": killing.Victim((f"engine-{MODEL}",), FAKE),
    "gateway": killing.Victim(
        (back.GATEWAY,), FAKE, number=2, gateways=2, replicas=2, back=back.gateway
    ),
    "controller": killing.Victim((back.CONTROLLER,), FAKE, back=back.controller),
}


# A start of vLLM takes half a minute, and several where others compute beside it.
_REAL = {
    "engine": killing.Victim((back.ENGINE_CORE,), VLLM, patience=300.0),
    "replica": killing.Victim((f"engine-{MODEL}",), VLLM, patience=300.0, back=back.replica),
}


def _killed(name: str, victim: killing.Victim, kind: str) -> Drill:
    database = "sqlite" if kind == "real" else kind
    return Drill(
        lambda tries: killing.drill(f"killed-{name}-{kind}", victim, database, tries),
        killing.TRIES,
    )


DRILLS: Mapping[str, Drill] = {
    **{
        f"{writer.name}-{kind}": _killed_writer(writer, kind)
        for writer in _WRITERS
        for kind in KINDS
    },
    **{
        name: Drill(partial(siege.besieged, name, attack), tries)
        for name, (attack, tries) in _ATTACKS.items()
    },
    "ten-times-capacity-sqlite": Drill(overload.ten_times_capacity, overload.TRIES),
    "ten-times-capacity-real": Drill(overload.ten_times_capacity_of_vllm, overload.TRIES),
    "soak-sqlite": Drill(soak.soak, soak.TRIES),
    "changed-certificates-sqlite": Drill(changing.certificates, changing.TRIES),
    "credentials": Drill(credentials.credentials, credentials.TRIES),
    "http-credentials": Drill(credentials.http_credentials, credentials.TRIES),
    "killed-database-postgresql": Drill(killing.database, killing.TRIES),
    **{
        f"killed-{name}-{kind}": _killed(name, victim, kind)
        for name, victim in _VICTIMS.items()
        for kind in KINDS
    },
    **{f"killed-{name}-real": _killed(name, victim, "real") for name, victim in _REAL.items()},
    "killed-node-sqlite": Drill(nodes.killed_node, nodes.TRIES),
    "killed-raylet-sqlite": Drill(nodes.killed_raylet, nodes.TRIES),
    "upgrade-sqlite": Drill(upgrading.upgrade, upgrading.TRIES),
    "paused-database-postgresql": Drill(pausing.database, pausing.TRIES),
    "paused-gateway-sqlite": Drill(pausing.a_gateway, pausing.TRIES),
    "paused-engine-sqlite": Drill(pausing.engine, pausing.TRIES),
}
