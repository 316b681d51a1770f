"""Whether a record that comes from elsewhere is one that this service could have kept."""

from collections.abc import Iterator

from google.protobuf.json_format import MessageToDict

from trueodds_service.caller import NAME
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.decisions.cascade import METHOD as CASCADE
from trueodds_service.core.fitting.temperature import DEFAULT_BOUNDS
from trueodds_service.errors import InvalidInput
from trueodds_service.flows.apply_calibrator import applied_by
from trueodds_service.flows.cascade_promise import check_thresholds
from trueodds_service.flows.fit_record import Bias
from trueodds_service.rpc.calibration.calibrators import calibrator_message
from trueodds_service.rpc.calibration.fits import parse_request_id
from trueodds_service.rpc.legible import is_legible
from trueodds_service.rpc.names import parse_calibrator
from trueodds_service.rpc.questions import parse_task
from trueodds_service.store.calibrator import Calibrator
from trueodds_service.store.records import FitRequest

# Of texts that the service writes itself: far more than any of them has.
_MAX_TEXT = 2000


def check_could_be_kept(record: Calibrator | FitRequest) -> None:
    """Raises ValueError, with the reason, where nobody could call it by its names, be told of it or
    have it applied.
    """
    try:
        if isinstance(record, FitRequest):
            if not parse_request_id(record.id):
                raise ValueError("it has no name")
            _check_text(record.fingerprint)
        else:
            _check_calibrator(record)
    except InvalidInput as error:
        raise ValueError(f"{error.field} {error.message}") from error


def _check_calibrator(record: Calibrator) -> None:
    scope = record.scope
    parse_calibrator(record.name, "model")
    parse_task(scope.task, "task")
    if scope.tenant and not NAME.fullmatch(scope.tenant):
        raise ValueError(f"{scope.tenant!r} is no name of a tenant")
    if scope.options == 1:
        raise ValueError("one option is no choice")
    _check_told(record)
    Bias(record.bias_correction)
    if record.method not in (*Method, CASCADE):
        raise ValueError(f"its method {record.method!r} is none of this version's")
    if record.method == CASCADE:
        check_thresholds(record)
        return
    low, high = DEFAULT_BOUNDS
    if not all(low <= each <= high for each in record.parameters.get("temperature", ())):
        raise ValueError(f"its temperature is not from {low:g} to {high:g}")
    applied_by(record)


def _check_told(record: Calibrator) -> None:
    """What callers are told of it can be written, and read."""
    try:
        message = calibrator_message(record, active=False)
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        # Its own words quote what the file says.
        raise ValueError(f"it holds what is of another type ({type(error).__name__})") from error
    for text in _texts(MessageToDict(message)):
        _check_text(text)


def _texts(told: object) -> Iterator[str]:
    """All texts of what JSON can say."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        for each in (*told.keys(), *told.values()):
            yield from _texts(each)
    elif isinstance(told, list):
        for each in told:
            yield from _texts(each)


def _check_text(text: str) -> None:
    if len(text) > _MAX_TEXT or not is_legible(text):
        raise ValueError("it holds a text that is too long, or cannot be read")
