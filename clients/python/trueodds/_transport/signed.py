"""A channel whose calls carry metadata.

Not gRPC's call credentials: those are for encrypted channels only.
"""

from typing import Any

from trueodds._transport.wrapped import WrappedChannel

Metadata = tuple[tuple[str, str], ...]


def signed(channel: Any, metadata: Metadata) -> Any:
    """The channel, and with metadata one whose calls carry it."""
    return WrappedChannel(channel, lambda _, call: _Signed(call, metadata)) if metadata else channel


class _Signed:
    def __init__(self, method: Any, metadata: Metadata) -> None:
        self._method = method
        self._metadata = metadata

    def __call__(self, request: Any, **options: Any) -> Any:
        return self._method(request, metadata=self._metadata, **options)

    def future(self, request: Any, **options: Any) -> Any:
        return self._method.future(request, metadata=self._metadata, **options)
