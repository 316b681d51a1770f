"""Quotas: what each request is charged to, in this gateway and in the others."""

import time
from collections.abc import Callable, Iterable, Mapping

from trueodds_service.caller import Caller
from trueodds_service.config import Quota, QuotaSettings
from trueodds_service.edge.quotas.account import Account, OverQuota, Spent, Subject, What
from trueodds_service.edge.quotas.bucket import Clock

Totals = Mapping[Subject, Spent]
"""What one gateway was asked for in all, by whom."""

_WORK = (What.QUESTIONS, What.PROMPT_TOKENS)
_ONE_REQUEST = Spent(requests=1)


class Quotas:
    """The accounts of tenants and keys. Use it inside one event loop.

    Gateways tell each other what they have spent, by way of who sees them all (``spent``,
    ``learn``), some moments later. So several at once can let through a burst each, which is then
    a debt; and each by itself where they do not hear of each other.
    """

    def __init__(
        self,
        settings: QuotaSettings,
        refused: Callable[[OverQuota], None] = lambda _: None,
        clock: Clock = time.monotonic,
    ) -> None:
        """``refused`` is told of each refusal."""
        self._default = settings.default
        self._tenants: Mapping[str, Quota] = {each.name: each for each in settings.tenants}
        self._refused, self._clock = refused, clock
        self._accounts: dict[Subject, Account] = {}
        self._others: Mapping[int, Totals] = {}

    def request(self, caller: Caller) -> "Charged":
        """Charges a request, and gives what charges what it asks for.

        Raises OverQuota where there is no more.
        """
        self.check(caller, [What.REQUESTS])
        self.spend(caller, _ONE_REQUEST)
        return Charged(self, caller)

    def spent(self) -> Totals:
        """What was spent here, for the other gateways; who is idle is forgotten."""
        self._accounts = {
            subject: account for subject, account in self._accounts.items() if not account.is_idle
        }
        return {subject: account.spent for subject, account in self._accounts.items()}

    def learn(self, others: Mapping[int, Totals]) -> None:
        """Takes what the other gateways, by their numbers, have spent since it last heard them.

        Totals, because a message may be lost or come twice. What a gateway that it hears for the
        first time has spent long ago, it does not know.
        """
        for gateway, totals in others.items():
            if (before := self._others.get(gateway)) is None:
                continue
            for subject, now in totals.items():
                took = _since(before.get(subject, Spent()), now)
                if any(took) and (account := self._account(subject)):
                    account.take(took)
        self._others = others

    def check(self, caller: Caller, whats: Iterable[What]) -> None:
        """Raises OverQuota if one of the caller's accounts has used up one of ``whats``."""
        try:
            for account in self._of(caller):
                account.check(whats)
        except OverQuota as error:
            self._refused(error)
            raise

    def spend(self, caller: Caller, spent: Spent) -> None:
        """Takes this much from the caller's accounts."""
        for account in self._of(caller):
            account.spend(spent)

    def _of(self, caller: Caller) -> list[Account]:
        subjects = (Subject(caller.charged), Subject(caller.charged, caller.name))
        return [found for each in subjects if (found := self._account(each))]

    def _account(self, subject: Subject) -> Account | None:
        """None where it has no quota at all."""
        account = self._accounts.get(subject)
        if account is None:
            quota = self._tenants.get(subject.tenant, self._default)
            rates = quota.key if subject.name else quota.tenant
            if rates.are_unlimited:
                return None
            account = Account(subject, rates, quota.burst_seconds, self._clock)
            self._accounts[subject] = account
        return account


class Charged:
    """What a request is charged to."""

    def __init__(self, quotas: Quotas, caller: Caller) -> None:
        # And not their accounts: a stream that is idle outlasts these.
        self._quotas, self._caller = quotas, caller

    def check(self) -> None:
        """Raises OverQuota where there are no more questions or tokens."""
        self._quotas.check(self._caller, _WORK)

    def spend(self, questions: int, prompt_tokens: int) -> None:
        """An engine is asked for this, and it is charged."""
        self._quotas.spend(self._caller, Spent(questions=questions, prompt_tokens=prompt_tokens))


def _since(before: Spent, now: Spent) -> Spent:
    """What was added; a total that is less than before has begun anew."""
    return Spent(*(n - b if n >= b else n for b, n in zip(before, now, strict=True)))
