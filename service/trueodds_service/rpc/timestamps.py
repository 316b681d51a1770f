"""Moments → messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp_message(moment: datetime) -> Timestamp:
    """Of a moment with a time zone."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
