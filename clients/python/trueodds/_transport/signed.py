"""A channel whose calls carry metadata, blocking or of asyncio.

Not gRPC's call credentials: those are for encrypted channels only, and not interceptors, which in
asyncio are another way through gRPC for each kind of call.
"""

from typing import Any

Metadata = tuple[tuple[str, str], ...]


class SignedChannel:
    """What a stub needs of a channel: its four kinds of methods."""

    def __init__(self, channel: Any, metadata: Metadata) -> None:
        self._channel = channel
        self._metadata = metadata

    def unary_unary(self, *method: Any, **codecs: Any) -> "_Signed":
        return _Signed(self._channel.unary_unary(*method, **codecs), self._metadata)

    def unary_stream(self, *method: Any, **codecs: Any) -> "_Signed":
        return _Signed(self._channel.unary_stream(*method, **codecs), self._metadata)

    def stream_unary(self, *method: Any, **codecs: Any) -> "_Signed":
        return _Signed(self._channel.stream_unary(*method, **codecs), self._metadata)

    def stream_stream(self, *method: Any, **codecs: Any) -> "_Signed":
        return _Signed(self._channel.stream_stream(*method, **codecs), self._metadata)


class _Signed:
    def __init__(self, method: Any, metadata: Metadata) -> None:
        self._method = method
        self._metadata = metadata

    def __call__(self, request: Any, **options: Any) -> Any:
        return self._method(request, metadata=self._metadata, **options)

    def future(self, request: Any, **options: Any) -> Any:
        return self._method.future(request, metadata=self._metadata, **options)
