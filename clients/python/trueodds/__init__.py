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
from trueodds.evaluation import (
    AbstentionRule,
    AnswerSetCalibration,
    Estimate,
    Evaluation,
    ReliabilityBin,
    Report,
    RiskCoverage,
)
from trueodds.types import (
    Answer,
    AnswerSetMethod,
    AnswerSetRule,
    BiasCorrection,
    CalibratedScores,
    Calibrator,
    Candidate,
    Chat,
    CustomFormat,
    Example,
    Format,
    Identity,
    Method,
    Model,
    ModelState,
    Normalization,
    OptionScore,
    OrderCorrection,
    Prior,
    Question,
    Reading,
    Scores,
    Selection,
    Text,
    TokenIds,
    TopToken,
)

__all__ = [
    "AbstentionRule",
    "Answer",
    "AnswerSetCalibration",
    "AnswerSetMethod",
    "AnswerSetRule",
    "AsyncClient",
    "BiasCorrection",
    "CalibratedScores",
    "Calibrator",
    "Candidate",
    "Chat",
    "Client",
    "CustomFormat",
    "DeadlineExceeded",
    "Estimate",
    "Evaluation",
    "Example",
    "FailedPrecondition",
    "Format",
    "Identity",
    "InvalidRequest",
    "Method",
    "Model",
    "ModelState",
    "Normalization",
    "NotFound",
    "NotServed",
    "OptionScore",
    "OrderCorrection",
    "Prior",
    "Question",
    "Reading",
    "ReliabilityBin",
    "Report",
    "RiskCoverage",
    "Scores",
    "Selection",
    "ServiceFailed",
    "Text",
    "TokenIds",
    "TopToken",
    "TrueoddsError",
    "Unavailable",
]
