"""trueodds: calibrated probabilities for multiple-choice questions.

import trueodds

client = trueodds.Client("localhost:50051")
question = trueodds.Question("Which is a mammal?", options=("trout", "bat", "wren"))
answer = client.score(question, model="my-model", task="animals")
print(answer.choice, answer.calibrated_confidence)
"""

from trueodds._convert.fits import DamagedCalibratorWarning, DegenerateFitWarning
from trueodds.aio import AsyncClient
from trueodds.answer import Answer, AnswerSetMethod, AnswerSetRule, Identity, OptionScore, TopToken
from trueodds.calibrator import BiasCorrection, Calibrator, Candidate, Method, Prior, Selection
from trueodds.client import Client
from trueodds.drift import (
    Alert,
    AlertDelivery,
    DeliveryState,
    Drift,
    Outcome,
    Period,
    Promise,
    Proposal,
    RecordedOutcomes,
    SequentialTest,
    TeacherCheck,
)
from trueodds.errors import (
    DeadlineExceeded,
    EngineLost,
    FailedPrecondition,
    InvalidRequest,
    ModelFailed,
    NoServer,
    NotFound,
    NotServed,
    Overloaded,
    PermissionDenied,
    PromptFault,
    ServiceFailed,
    Starting,
    TlsFailed,
    TrueoddsError,
    Unauthenticated,
    Unavailable,
)
from trueodds.evaluation import (
    AbstentionRule,
    AnswerSetCalibration,
    CascadePart,
    CascadeReport,
    Estimate,
    Evaluation,
    ReliabilityBin,
    Report,
    RiskCoverage,
)
from trueodds.model import Model, ModelState
from trueodds.options import (
    CheckOptions,
    ConnectionOptions,
    EvaluateOptions,
    FitOptions,
    ScoreOptions,
)
from trueodds.question import Chat, Example, Question, Text, TokenIds
from trueodds.reading import CustomFormat, Format, Normalization, OrderCorrection, Reading
from trueodds.scores import CalibratedScores, Scores

__all__ = [
    "AbstentionRule",
    "Alert",
    "AlertDelivery",
    "Answer",
    "AnswerSetCalibration",
    "AnswerSetMethod",
    "AnswerSetRule",
    "AsyncClient",
    "BiasCorrection",
    "CalibratedScores",
    "Calibrator",
    "Candidate",
    "CascadePart",
    "CascadeReport",
    "Chat",
    "CheckOptions",
    "Client",
    "ConnectionOptions",
    "CustomFormat",
    "DamagedCalibratorWarning",
    "DeadlineExceeded",
    "DegenerateFitWarning",
    "DeliveryState",
    "Drift",
    "EngineLost",
    "Estimate",
    "EvaluateOptions",
    "Evaluation",
    "Example",
    "FailedPrecondition",
    "FitOptions",
    "Format",
    "Identity",
    "InvalidRequest",
    "Method",
    "Model",
    "ModelFailed",
    "ModelState",
    "NoServer",
    "Normalization",
    "NotFound",
    "NotServed",
    "OptionScore",
    "OrderCorrection",
    "Outcome",
    "Overloaded",
    "Period",
    "PermissionDenied",
    "Prior",
    "Promise",
    "PromptFault",
    "Proposal",
    "Question",
    "Reading",
    "RecordedOutcomes",
    "ReliabilityBin",
    "Report",
    "RiskCoverage",
    "ScoreOptions",
    "Scores",
    "Selection",
    "SequentialTest",
    "ServiceFailed",
    "Starting",
    "TeacherCheck",
    "Text",
    "TlsFailed",
    "TokenIds",
    "TopToken",
    "TrueoddsError",
    "Unauthenticated",
    "Unavailable",
]
