"""trueodds: calibrated probabilities for multiple-choice questions.

import trueodds

client = trueodds.Client("localhost:50051")
question = trueodds.Question("Which is a mammal?", options=("trout", "bat", "wren"))
answer = client.score(question, model="my-model", task="animals")
print(answer.choice, answer.calibrated_confidence)
"""

from trueodds.aio import AsyncClient
from trueodds.client import Client
from trueodds.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    NotServed,
    ServiceFailed,
    TrueoddsError,
    Unavailable,
)
from trueodds.types import (
    Answer,
    Calibrator,
    Example,
    Format,
    Method,
    Model,
    OptionScore,
    Question,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "Calibrator",
    "Client",
    "DeadlineExceeded",
    "Example",
    "FailedPrecondition",
    "Format",
    "InvalidRequest",
    "Method",
    "Model",
    "NotFound",
    "NotServed",
    "OptionScore",
    "Question",
    "ServiceFailed",
    "TrueoddsError",
    "Unavailable",
]
