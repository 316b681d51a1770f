"""A channel whose calls go through something of ours, blocking or of asyncio.

No interceptors, which in asyncio are another way through gRPC for each kind of call.
"""

from collections.abc import Callable
from typing import Any


class WrappedChannel:
    """What a stub needs of a channel: its four kinds of methods. ``wrap`` is given the name of
    each, and what calls it.
    """

    def __init__(self, channel: Any, wrap: Callable[[str, Any], Any]) -> None:
        self._channel = channel
        self._wrap = wrap

    def unary_unary(self, method: str, *others: Any, **codecs: Any) -> Any:
        return self._wrap(method, self._channel.unary_unary(method, *others, **codecs))

    def unary_stream(self, method: str, *others: Any, **codecs: Any) -> Any:
        return self._wrap(method, self._channel.unary_stream(method, *others, **codecs))

    def stream_unary(self, method: str, *others: Any, **codecs: Any) -> Any:
        return self._wrap(method, self._channel.stream_unary(method, *others, **codecs))

    def stream_stream(self, method: str, *others: Any, **codecs: Any) -> Any:
        return self._wrap(method, self._channel.stream_stream(method, *others, **codecs))
