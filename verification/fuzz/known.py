"""What the fuzzer knows of the service, and the question whose answer must never change."""

from bisect import bisect_left
from dataclasses import dataclass, replace

import grpc

from trueodds.v1 import (
    calibration_pb2,
    calibration_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    question_pb2,
    scoring_pb2,
    scoring_pb2_grpc,
)

MARKER = "q7Xw2ZkV9tRb4LmN8cYp3HsD"
"""Stands in every prompt, option and label, and may stand in no error and no log."""

TASK = "fuzz"

_MOST_ROWS = 2**20


@dataclass(frozen=True, slots=True)
class Known:
    """Names that exist."""

    models: tuple[str, ...]
    calibrators: tuple[str, ...]
    rows: tuple[int, ...]
    """How many tokens each model reads: of its tokenizer, or fewer where its embedding ends."""
    receipts: tuple[bytes, ...]
    """A receipt of an answer of each model that a calibrator was applied to."""

    @classmethod
    def of(cls, channel: grpc.Channel) -> "Known":
        """Asks the service, and stores two calibrators of each model, one of them active."""
        listed = model_pb2_grpc.ModelServiceStub(channel).ListModels(model_pb2.ListModelsRequest())
        models = tuple(model.name for model in listed.models)
        rows = tuple(sorted({_rows(channel, model) for model in models}))
        calibrators = _calibrators(channel, models)
        receipts = tuple(_receipt(channel, model) for model in models)
        return cls(models, calibrators, rows, receipts)

    def stored_again(self, channel: grpc.Channel) -> "Known":
        """What a round has deleted is stored again."""
        return replace(self, calibrators=_calibrators(channel, self.models))


def _rows(channel: grpc.Channel, model: str) -> int:
    """The first token that the model refuses, by bisection."""
    stub = model_pb2_grpc.ModelServiceStub(channel)

    def reads(token: int) -> bool:
        prompt = question_pb2.Prompt(token_ids=question_pb2.TokenIds(ids=[token]))
        try:
            stub.Tokenize(model_pb2.TokenizeRequest(name=model, prompts=[prompt]))
        except grpc.RpcError:
            return False
        return True

    return bisect_left(range(_MOST_ROWS), True, key=lambda token: not reads(token))


def _calibrators(channel: grpc.Channel, models: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        _constant(channel, model, temperature) for model in models for temperature in (1.5, 3.0)
    )


def _constant(channel: grpc.Channel, model: str, temperature: float) -> str:
    request = calibration_pb2.FitCalibratorRequest(
        model=model,
        task=TASK,
        method=calibration_pb2.METHOD_CONSTANT,
        temperature=temperature,
        options=2,
        activate=True,
    )
    stub = calibration_pb2_grpc.CalibrationServiceStub(channel)
    *_, last = stub.FitCalibrator(request)
    return last.calibrator.name


def _receipt(channel: grpc.Channel, model: str) -> bytes:
    settings = scoring_pb2.ScoreSettings(model=model, task=TASK, receipts=True)
    options = [question_pb2.Option(text=text) for text in ("yes", "no")]
    question = question_pb2.Question(text="Is the service well?", options=options)
    request = scoring_pb2.ScoreRequest(settings=settings, question=question)
    receipt: bytes = scoring_pb2_grpc.ScoringServiceStub(channel).Score(request).answer.receipt
    return receipt


def numbers(channel: grpc.Channel, models: tuple[str, ...]) -> list[float]:
    """What each model answers to a plain question, before any calibrator."""
    stub = scoring_pb2_grpc.ScoringServiceStub(channel)
    options = [question_pb2.Option(text=text) for text in ("yes", "no", "maybe")]
    question = question_pb2.Question(text="Is the service well?", options=options)
    found: list[float] = []
    for model in models:
        settings = scoring_pb2.ScoreSettings(model=model, task=TASK)
        request = scoring_pb2.ScoreRequest(settings=settings, question=question)
        answer = stub.Score(request, timeout=60).answer
        found += [answer.format_probability, answer.option_mass, answer.entropy]
        for option in answer.options:
            found += [option.logprob, option.score, option.probability]
    return found
