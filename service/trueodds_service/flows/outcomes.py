"""The path of an outcome: receipt, or the name of a kept answer → what it said → store."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from trueodds_service.caller import current
from trueodds_service.concurrency import in_pieces
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.receipts import FLOAT, BadReceipt, open_receipt
from trueodds_service.flows.score import Answer
from trueodds_service.flows.store_calls import StoreCalls
from trueodds_service.store.outcomes import Kept, Outcome, Recorded, SqlOutcomeStore

FORGET_SECONDS = 600.0
"""How often what is too old, or too much, is looked for."""
_THREADS = 2
# A thousand rows on a slow disk, behind other writers.
_ANSWER_SECONDS = 20.0
# Some thousands of rows to be forgotten, among all that there are.
_FORGOTTEN_SECONDS = 120.0
# How long an answer waits to be kept; then it is sent without.
_KEEP_SECONDS = 2.0
_ID_BYTES = 16
# Outcomes that are read together.
_AT_ONCE = 1000


class Bounds(NamedTuple):
    """For how long something is kept, and how many of it."""

    keep: timedelta
    at_most: int


class Outcomes:
    """The outcomes of a store, and the key of their receipts. Use it inside one event loop."""

    def __init__(self, store: SqlOutcomeStore) -> None:
        self._store = store
        self.calls = StoreCalls(_THREADS, _ANSWER_SECONDS)
        self._keeping = StoreCalls(_THREADS, _KEEP_SECONDS)
        self.forgetting = StoreCalls(1, _FORGOTTEN_SECONDS)
        self._key: bytes | None = None

    async def key(self) -> bytes:
        """What seals receipts. Raises Unavailable while the store is away, until it is known."""
        if self._key is None:
            self._key = await self.calls.ask(self._store.seal)
        return self._key

    async def keep(self, answers: Mapping[str, Answer]) -> bool:
        """Keeps answers by the names that their caller gives them; False where the store does not
        say that it has.
        """
        now = datetime.now(UTC)
        rows = [_row(name, answer, now) for name, answer in answers.items()]
        try:
            await self._keeping.ask(self._store.keep, rows)
        except ServiceError:  # its line is in the log
            return False
        return True

    async def record(
        self, reported: Sequence[tuple[bytes | str, int | None]]
    ) -> tuple[Recorded, list[tuple[int, InvalidInput]]]:
        """Keeps outcomes: each a receipt, or the name of a kept answer, and the right option, None
        where nobody knows.

        Returns what became of them, and the places and errors of those that are none.
        """
        key, tenant = await self.key(), current().tenant
        ids = {each: _answer_id(tenant, each) for each, _ in reported if isinstance(each, str)}
        kept = await self.calls.ask(self._store.answers, [*ids.values()]) if ids else {}
        outcomes: list[Outcome] = []
        errors: list[tuple[int, InvalidInput]] = []
        async for place, (named, option) in in_pieces(enumerate(reported)):
            try:
                if isinstance(named, str):
                    outcomes.append(_outcome_of(kept.get(ids[named]), option))
                else:
                    outcomes.append(_opened(key, named, option, tenant))
            except InvalidInput as error:
                errors.append((place, error.under(f"outcomes[{place}]")))
        return await self.calls.ask(self._store.record, outcomes), errors

    async def of_calibrator(self, calibrator: str) -> AsyncIterator[list[Kept]]:
        """The outcomes of a calibrator's answers, in the order in which they came, by the page."""
        after = 0
        while True:
            page = await self.calls.ask(
                self._store.of_calibrator, calibrator, after=after, at_most=_AT_ONCE
            )
            if page:
                yield page
                after = page[-1].position
            if len(page) < _AT_ONCE:
                return

    async def forget(self, outcomes: Bounds, answers: Bounds) -> None:
        """Forgets what is too old, or too much."""
        while await self.forgetting.ask(self._store.prune, **outcomes._asdict()):
            pass
        while await self.forgetting.ask(self._store.prune_answers, **answers._asdict()):
            pass

    def close(self) -> None:
        """Asks the store for nothing more."""
        self.calls.close()
        self._keeping.close()
        self.forgetting.close()
        self._store.close()


def _answer_id(tenant: str, name: str) -> bytes:
    """What an answer of that name is kept by: the name itself is not."""
    return hashlib.sha256(json.dumps([tenant, name]).encode()).digest()[:_ID_BYTES]


def _row(name: str, answer: Answer, now: datetime) -> Outcome:
    return Outcome(
        answer_id=_answer_id(answer.scope.tenant, name),
        scope=answer.scope,
        calibrator="" if answer.calibrator is None else answer.calibrator.id,
        choice=answer.choice,
        option=None,
        probabilities=np.asarray(answer.probabilities, FLOAT).tobytes(),
        calibrated=np.asarray(answer.calibrated, FLOAT).tobytes(),
        answered_at=now,
    )


def _outcome_of(answer: Outcome | None, option: int | None) -> Outcome:
    if answer is None:
        raise InvalidInput("answer_id", "names no answer that is kept", reason="ANSWER_NOT_KEPT")
    options = len(answer.probabilities) // FLOAT.itemsize
    if option is not None and not 0 <= option < options:
        raise InvalidInput("option", f"is {option}, of an answer with {options} options")
    return replace(answer, option=option)


def _opened(key: bytes, receipt: bytes, option: int | None, tenant: str) -> Outcome:
    try:
        return open_receipt(key, receipt, option, tenant)
    except BadReceipt as error:
        raise InvalidInput("receipt", str(error), reason="BAD_RECEIPT") from error
