"""A request as a door announces it, before any of it is read."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

REQUEST_ID = "x-request-id"

_FIT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a door knows of a request before it reads it.

    ``method`` is the contract's, such as ``trueodds.v1.ScoringService/Score``; ``metadata`` are
    gRPC's metadata or HTTP's headers, in lower case; ``certificate_names`` those of the client's
    certificate, where its connection has one; ``seconds_left`` until its deadline, None for ever;
    ``repeated`` names what says who asks, where it is there twice.
    What it prints of itself holds no key.
    """

    method: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate_names: tuple[str, ...] = ()
    seconds_left: float | None = None
    repeated: str = ""
    request_id: str = field(init=False)
    """The caller's ``x-request-id``, where it is fit for logs, else one of ours."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "request_id", _request_id(self.metadata.get(REQUEST_ID, "")))


def _request_id(wanted: str) -> str:
    # A name and no secret: the system's own randomness would cost as much as all else here.
    return wanted if _FIT_ID.fullmatch(wanted) else f"{random.getrandbits(128):032x}"
