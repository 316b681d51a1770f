"""Answers as messages."""

import time

import numpy as np

from trueodds.v1 import scoring_pb2
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.receipts import receipt_of
from trueodds_service.flows.score import Answer, ScoreResult
from trueodds_service.rpc.models import identity_message
from trueodds_service.rpc.names import model_name
from trueodds_service.rpc.status import to_status


class AnswerMessages:
    """Answers of one result → messages; with a key, each has a receipt."""

    def __init__(self, result: ScoreResult, key: bytes | None) -> None:
        self._asked = {
            name: (asked.served.tokenizer, identity_message(asked.model, asked.served))
            for name, asked in result.asked.items()
        }
        self._stale = result.stale
        self._key = key

    def outcome(self, outcome: Answer | ServiceError, index: int) -> scoring_pb2.Outcome:
        if isinstance(outcome, Answer):
            return scoring_pb2.Outcome(answer=self.message(outcome))
        if isinstance(outcome, InvalidInput):
            outcome = outcome.under(f"questions[{index}]")
        return scoring_pb2.Outcome(error=to_status(outcome))

    def message(self, answer: Answer) -> scoring_pb2.Answer:
        choice, read = answer.choice, answer.read
        as_asked = read.as_asked
        tokenizer, identity = self._asked[answer.scope.model]
        message = scoring_pb2.Answer(
            options=_option_messages(answer),
            choice=choice,
            confidence=float(answer.probabilities[choice]),
            calibrated_confidence=float(answer.calibrated[choice]),
            calibrated=answer.calibrator is not None,
            calibrator="" if answer.calibrator is None else answer.calibrator.name,
            format_probability=as_asked.format_probability,
            option_mass=answer.option_mass,
            low_option_mass=as_asked.low_option_mass,
            entropy=answer.entropy,
            abstained=answer.abstained,
            top_tokens=[
                scoring_pb2.TopToken(id=token, text=tokenizer.token_text(token), logprob=logprob)
                for token, logprob in as_asked.engine.top_tokens
            ],
            permutations=[scoring_pb2.Permutation(options=order) for order in read.orders],
            label_prior=read.prior,
            identity=identity,
            prompt_tokens=answer.prompt_tokens,
            cached_tokens=answer.cached_tokens,
            cost=answer.cost,
            answer_set=answer.answer_set,
            raw_because=answer.raw_because,
            calibration_stale=self._stale,
            receipt=b"" if self._key is None else receipt_of(self._key, answer),
        )
        if answer.turn is not None:
            decided = answer.turn.calibrator
            message.answered_by = model_name(answer.scope.model)
            message.cascade_calibrator = "" if decided is None else decided.name
            message.skipped_because = answer.turn.skipped_because
        return message


def _option_messages(answer: Answer) -> list[scoring_pb2.OptionScore]:
    read = answer.read
    as_asked = read.as_asked
    names = zip(
        read.question.labels,
        as_asked.token_counts,
        as_asked.byte_counts,
        as_asked.greedy,
        strict=True,
    )
    numbers = zip(
        # Rounding can put the logprob of a certainty above zero.
        np.minimum(as_asked.logprobs, 0.0).tolist(),
        as_asked.scores.tolist(),
        answer.probabilities.tolist(),
        answer.calibrated.tolist(),
        strict=True,
    )
    messages = [
        scoring_pb2.OptionScore(
            label=label,
            logprob=logprob,
            probability=probability,
            calibrated_probability=calibrated,
            score=score,
            tokens=tokens,
            bytes=size,
            greedy=greedy,
        )
        for (label, tokens, size, greedy), (logprob, score, probability, calibrated) in zip(
            names, numbers, strict=True
        )
    ]
    if as_asked.unconditional is not None:
        for message, logprob in zip(messages, as_asked.unconditional.tolist(), strict=True):
            message.unconditional_logprob = min(logprob, 0.0)
    for message, ways in zip(messages, as_asked.prepared.surfaces, strict=True):
        if len(ways) > 1:
            message.variants.extend(surface for surface, _ in ways)
    return messages


def timings_message(result: ScoreResult, arrived: float) -> scoring_pb2.Timings:
    return scoring_pb2.Timings(
        tokenize_seconds=result.timings.tokenize,
        engine_seconds=result.timings.engine,
        total_seconds=time.perf_counter() - arrived,
    )
