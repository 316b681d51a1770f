"""Receipts: what an outcome needs of its answer, sealed, and carried by the caller.

Nothing need be kept until an outcome comes, and nobody can change what an answer said. A receipt
holds probabilities and what they are of; nothing of the question, and no label.
"""

import hashlib
import hmac
import json
import secrets
import struct
from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from trueodds_service.flows.score import Answer
from trueodds_service.store.outcomes import Outcome
from trueodds_service.store.records import Scope

_VERSION = 1
# Version, id, milliseconds since 1970, the choice, the number of options.
_HEAD = struct.Struct("<B16sQHH")
_SEAL_BYTES = 16
FLOAT = np.dtype("<f4")
"""How probabilities are kept."""


class BadReceipt(ValueError):
    """It is none of this service's, or not as it came."""


def receipt_of(key: bytes, answer: Answer) -> bytes:
    """A new receipt of an answer, given now."""
    calibrator = "" if answer.calibrator is None else answer.calibrator.id
    return seal_receipt(
        key, answer.scope, calibrator, answer.choice, answer.probabilities, answer.calibrated
    )


def seal_receipt(
    key: bytes,
    scope: Scope,
    calibrator: str,
    choice: int,
    probabilities: NDArray[np.float64],
    calibrated: NDArray[np.float64],
) -> bytes:
    """A new receipt, of an answer given now: ``calibrator`` is an id, empty for a raw one."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    options = len(probabilities)
    said = json.dumps([*astuple(scope), calibrator], ensure_ascii=False, separators=(",", ":"))
    body = b"".join(
        (
            _HEAD.pack(_VERSION, secrets.token_bytes(16), now, choice, options),
            np.asarray(probabilities, FLOAT).tobytes(),
            np.asarray(calibrated, FLOAT).tobytes(),
            said.encode(),
        )
    )
    return body + _seal(key, body)


def open_receipt(key: bytes, receipt: bytes, option: int | None, tenant: str) -> Outcome:
    """The outcome of a receipt's answer. Raises BadReceipt; another tenant's is a bad one."""
    body, seal = receipt[:-_SEAL_BYTES], receipt[-_SEAL_BYTES:]
    if len(body) < _HEAD.size or not hmac.compare_digest(_seal(key, body), seal):
        raise BadReceipt("is not a receipt of this service's, or not as it came")
    version, answer_id, when, choice, options = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise BadReceipt("is a receipt of another version of the service")
    size = options * FLOAT.itemsize
    first, second = _HEAD.size, _HEAD.size + size
    scope, calibrator = _said(json.loads(body[second + size :]))
    if scope.tenant != tenant:
        raise BadReceipt("is not a receipt of this service's, or not as it came")
    if option is not None and not 0 <= option < options:
        raise BadReceipt(f"is of an answer with {options} options: option {option} is none")
    return Outcome(
        answer_id=answer_id,
        scope=scope,
        calibrator=calibrator,
        choice=choice,
        option=option,
        probabilities=body[first:second],
        calibrated=body[second : second + size],
        answered_at=datetime.fromtimestamp(when / 1000, UTC),
    )


def _said(content: Sequence[str | int]) -> tuple[Scope, str]:
    *scope, calibrator = content
    return Scope(*scope), str(calibrator)  # type: ignore[arg-type]  # as it was sealed


def _seal(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:_SEAL_BYTES]
