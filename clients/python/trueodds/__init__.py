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
    Chat,
    CustomFormat,
    Example,
    Format,
    Identity,
    Method,
    Model,
    Normalization,
    OptionScore,
    OrderCorrection,
    Question,
    Reading,
    Text,
    TokenIds,
    TopToken,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "Calibrator",
    "Chat",
    "Client",
    "CustomFormat",
    "DeadlineExceeded",
    "Example",
    "FailedPrecondition",
    "Format",
    "Identity",
    "InvalidRequest",
    "Method",
    "Model",
    "Normalization",
    "NotFound",
    "NotServed",
    "OptionScore",
    "OrderCorrection",
    "Question",
    "Reading",
    "ServiceFailed",
    "Text",
    "TokenIds",
    "TopToken",
    "TrueoddsError",
    "Unavailable",
]
