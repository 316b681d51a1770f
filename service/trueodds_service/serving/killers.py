"""Prompts that are known to kill a model's engine, as hashes: one engine's death is enough for all
gateways of the service.
"""

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TypeAlias

from trueodds_service.engine.base import TokenPrompt

Known: TypeAlias = Mapping[bytes, float]
"""Hashes of prompts, and until when each is refused, in Unix time."""

# How long a prompt that killed is refused; to find it again after that costs another engine.
_REMEMBERED_SECONDS = 600.0
# A gateway tells all of them again and again. Nobody finds more in that time by accident.
MOST = 1024


class Killers:
    """The prompts that kill a model's engine, as a gateway knows them: its own finds, and those of
    other gateways.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._until: dict[bytes, float] = {}

    @property
    def known(self) -> Known:
        """Those that are refused now."""
        now = self._clock()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return dict(self._until)

    def add(self, prompt: TokenPrompt, adapter: str | None) -> None:
        self._put({prompt_hash(prompt, adapter): self._clock() + _REMEMBERED_SECONDS})

    def learn(self, told: Known) -> None:
        """What other gateways have found."""
        self._put({key: until for key, until in told.items() if until > self._until.get(key, 0.0)})

    def holds(self, prompt: TokenPrompt, adapter: str | None) -> bool:
        if not self._until:  # as nearly always: no hash for every prompt
            return False
        return self._until.get(prompt_hash(prompt, adapter), 0.0) > self._clock()

    def _put(self, found: Known) -> None:
        # The clock of another node may be ahead.
        latest = self._clock() + _REMEMBERED_SECONDS
        self._until.update({key: min(until, latest) for key, until in found.items()})
        self._until = dict(newest(self._until))


def newest(known: Known) -> Known:
    """At most ``MOST``: those that are refused the longest."""
    if len(known) <= MOST:
        return known
    return dict(sorted(known.items(), key=lambda each: each[1])[-MOST:])


def prompt_hash(prompt: TokenPrompt, adapter: str | None) -> bytes:
    """The same in every process."""
    return blake2b(repr((adapter, prompt)).encode(), digest_size=16).digest()
