"""The buckets of one tenant, or of one key of it."""

import time
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from trueodds_service.config import Rates
from trueodds_service.edge.quotas.bucket import Bucket, Clock
from trueodds_service.errors import Exhausted

REASON = "QUOTA_EXCEEDED"
# Once an account has not been drawn from for this time, the others know all that was spent of it.
_TOLD_SECONDS = 30.0


class What(StrEnum):
    """What there are quotas of; the names are those of the configuration."""

    REQUESTS = "requests"
    QUESTIONS = "questions"
    PROMPT_TOKENS = "prompt_tokens"


class Subject(NamedTuple):
    """Whose an account is: a tenant's, or, with a name, that of a key or certificate of it."""

    tenant: str
    name: str = ""

    @property
    def kind(self) -> str:
        """What metrics say of it."""
        return "key" if self.name else "tenant"


class Spent(NamedTuple):
    """How much of each has been spent, in all."""

    requests: float = 0
    questions: float = 0
    prompt_tokens: float = 0


class OverQuota(Exhausted):
    """No more of a quota: the same request, later."""

    def __init__(self, subject: Subject, what: What, a_minute: float, seconds: float) -> None:
        self.subject, self.what = subject, what
        whose = f"of {subject.name}" if subject.name else "of this tenant"
        amount = f"{a_minute:,.6g} {what.value.replace('_', ' ')} a minute"
        super().__init__(
            f"the quota {whose}, {amount}, is used up; try again in {seconds:.3g} s",
            reason=REASON,
            retry_seconds=seconds,
        )


class Account:
    """Use it inside one event loop."""

    def __init__(
        self, subject: Subject, rates: Rates, burst_seconds: float, clock: Clock = time.monotonic
    ) -> None:
        self._subject, self._rates, self._clock = subject, rates, clock
        self._buckets = {
            what: Bucket(rate, burst_seconds, clock)
            for what in What
            if (rate := getattr(rates, what)) is not None
        }
        self._drawn_at = clock()
        self.spent = Spent()
        """What was drawn here, and not in other gateways."""

    def check(self, whats: Iterable[What]) -> None:
        """Raises OverQuota if one of ``whats`` is used up."""
        for what in whats:
            bucket = self._buckets.get(what)
            if bucket is not None and (seconds := bucket.seconds_until_one()):
                raise OverQuota(self._subject, what, getattr(self._rates, what), seconds)

    def spend(self, spent: Spent) -> None:
        """Takes this much, which was asked for here."""
        self.spent = Spent(*map(sum, zip(self.spent, spent, strict=True)))
        self.take(spent)

    def take(self, spent: Spent) -> None:
        """Takes this much, wherever it was asked for."""
        self._drawn_at = self._clock()
        for what, bucket in self._buckets.items():
            bucket.spend(getattr(spent, what))

    @property
    def is_idle(self) -> bool:
        """Whether a new account would be the same to everybody."""
        is_told = self._clock() - self._drawn_at >= _TOLD_SECONDS
        return is_told and all(bucket.is_full for bucket in self._buckets.values())
