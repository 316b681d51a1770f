"""Which requests go before which, and until when each is worth working on."""

from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service import urgency
from trueodds_service.errors import Expired

# Methods that always ask lone questions, and that always are bulk. For the others it depends on the
# number of prompts.
_LONE = {"Score"}
_IN_BULK = {
    "StreamScore",
    "FitCalibrator",
    "StreamFitCalibrator",
    "CheckCalibrator",
    "EvaluateCalibrator",
    "StreamEvaluateCalibrator",
}


@contextmanager
def hurrying(method: str, seconds_left: float | None) -> Iterator[None]:
    """What is done inside hurries as a call of this method does. Raises Expired."""
    if seconds_left is not None and seconds_left <= 0:
        raise Expired("the deadline had passed when the request came")
    name = method.rpartition("/")[2]
    in_bulk = True if name in _IN_BULK else False if name in _LONE else None
    with urgency.hurrying(seconds_left, in_bulk=in_bulk):
        yield
