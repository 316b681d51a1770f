"""How much work requests may make: each by itself, all at once, and each caller in a minute."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from trueodds_service.caller import Caller
from trueodds_service.config import Limits
from trueodds_service.edge.admission.streams import OpenStream, StreamedBytes
from trueodds_service.edge.admission.tokens import TokensUnderWay
from trueodds_service.edge.quotas.quotas import Charged, Quotas
from trueodds_service.errors import TooLarge
from trueodds_service.metering import Meter, Stream, metered_by

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
            _Request(self, charged, caller.tenant, check_caller if is_stream else None)
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

    def preparing(self, prompt_tokens: int) -> None:
        most = self._work.most_tokens
        if prompt_tokens > most:
            raise TooLarge(
                f"the prompts have more than {most:,} tokens together: ask fewer questions at once",
                reason="REQUEST_TOO_LONG",
            )

    def asking(self, questions: int, prompt_tokens: int) -> AbstractContextManager[None]:
        self.preparing(prompt_tokens)
        self._has_begun = True
        self._charged.spend(questions, prompt_tokens)
        return self._work.tokens.taken(self._tenant, prompt_tokens)
