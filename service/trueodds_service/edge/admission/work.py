"""How much work requests may make: each by itself, all at once, and each caller in a minute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trueodds_service.caller import Caller
from trueodds_service.config import Limits
from trueodds_service.edge.admission.streams import OpenStream, StreamedBytes
from trueodds_service.edge.admission.tokens import TokensUnderWay
from trueodds_service.edge.quotas.quotas import Charged, Quotas
from trueodds_service.errors import TooLarge
from trueodds_service.metering import Meter, Prompts, Stream, metered_by

# Has no end of its own: each of its batches is held against the quota, and its caller has to be
# known still. What else has begun is finished.
_STREAM = "StreamScore"
_MIB = 2**20


class Work:
    """What a gateway works on. Use it inside one event loop."""

    def __init__(self, limits: Limits, quotas: Quotas) -> None:
        self.most_tokens = limits.max_tokens
        self.tokens = TokensUnderWay(limits.max_tokens_under_way)
        self.streamed = StreamedBytes(limits.max_stream_mib * _MIB)
        self._quotas = quotas

    @contextmanager
    def metered(
        self, caller: Caller, method: str, check_caller: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """What is done inside is a request of the caller's. Raises OverQuota.

        ``check_caller`` raises a ServiceError where the caller may ask no more.
        """
        is_stream = method.rpartition("/")[2] == _STREAM
        charged = self._quotas.request(caller)
        with metered_by(
            _Request(self, charged, caller.charged, check_caller if is_stream else None)
        ):
            yield


class _Request(Meter):
    def __init__(
        self, work: Work, charged: Charged, tenant: str, check_caller: Callable[[], None] | None
    ) -> None:
        """``check_caller`` is for a stream."""
        self._work, self._charged = work, charged
        self._tenant, self._check_caller = tenant, check_caller
        self._has_begun = False
        self._tokens = 0
        """Those of its prompts that are under way."""

    @property
    def is_only(self) -> bool:
        return not self._work.tokens.of(self._tenant)

    def check(self) -> None:
        if self._check_caller is not None:
            self._check_caller()
        if self._check_caller is not None or not self._has_begun:
            self._charged.check()
        # A stream that has begun goes on: only a few of its batches are under way at once.
        if not self._has_begun:
            self._work.tokens.check(self._tenant)

    def stream(self) -> Stream:
        return OpenStream(self._work.streamed, self._tenant)

    @contextmanager
    def prompts(self) -> Iterator[Prompts]:
        made = _Prompts(self)
        try:
            yield made
        finally:
            self._take(-made.tokens)

    def made(self, before: int, tokens: int) -> None:
        """Prompts that had ``before`` have ``tokens``. Raises a ServiceError."""
        most = self._work.most_tokens
        if tokens > most:
            raise TooLarge(
                f"the prompts have more than {most:,} tokens together: ask fewer questions at once",
                reason="REQUEST_TOO_LONG",
            )
        if tokens > before and not self._has_begun:
            self._work.tokens.check_more(self._tenant, tokens - before, self._tokens)
        self._take(tokens - before)

    def ask(self, questions: int, tokens: int) -> None:
        """An engine is asked for this."""
        self._has_begun = True
        self._charged.spend(questions, tokens)

    def _take(self, tokens: int) -> None:
        self._tokens += tokens
        self._work.tokens.change(self._tenant, tokens)


class _Prompts(Prompts):
    def __init__(self, request: _Request) -> None:
        self._request = request
        self.tokens = 0

    def made(self, tokens: int) -> None:
        self._request.made(self.tokens, tokens)
        self.tokens = tokens

    def ask(self, questions: int) -> None:
        self._request.ask(questions, self.tokens)
