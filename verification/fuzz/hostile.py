"""Many callers at once of engines that die, hang or answer nonsense at marked prompts.

Every question without a mark has to be answered as the twin of its model answers it, which is
never hostile; and every marked one has to have its own error, with the reason of its mark.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import grpc
from google.rpc import code_pb2, status_pb2

from trueodds.v1 import (
    calibration_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
)
from verification.fuzz.answers import faults, reason_of, status_of, words
from verification.fuzz.found import Found
from verification.fuzz.marked import Asked, Questions
from verification.fuzz.stand import TWINS, Stand

_CALLERS = 8
_PATIENCE = 300.0
# The contract: while an engine is replaced a request may be told to come back.
_COME_BACK = "ENGINE_LOST"
_RETRIES, _RETRY_SECONDS = 2000, 0.02
_MARKED = 0.01


def besiege(stand: Stand, requests: int, seed: int = 0, *, marked: float = _MARKED) -> Found:
    """Makes at least ``requests`` requests, by several callers at once.

    ``marked`` is the share of questions with a mark. The same seed makes the same requests.
    """
    found = Found()
    shares = [requests // _CALLERS + (each < requests % _CALLERS) for each in range(_CALLERS)]
    with ThreadPoolExecutor(_CALLERS) as pool:
        callers = [
            pool.submit(_Caller(stand, found, seed, number, marked).ask, share)
            for number, share in enumerate(shares)
        ]
        for caller in callers:
            caller.result()
    found.deaths = sum(double.deaths for double in stand.doubles)
    found.harmless = sum(double.harmless for double in stand.doubles)
    return found


class _Caller:
    """One of the callers, with a connection of its own."""

    def __init__(self, stand: Stand, found: Found, seed: int, number: int, marked: float) -> None:
        self._found = found
        self._marked = marked
        self._random = Random(f"{seed}, {number}")
        self._questions = Questions(self._random, chr(ord("a") + number), stand.tokens)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self._channel = grpc.insecure_channel(stand.address, options)
        self._scoring: Any = scoring_pb2_grpc.ScoringServiceStub(self._channel)
        self._fits: Any = calibration_pb2_grpc.CalibrationServiceStub(self._channel)
        self._models: Any = model_pb2_grpc.ModelServiceStub(self._channel)

    def ask(self, requests: int) -> None:
        """Makes ``requests`` requests, of one kind after the other."""
        kinds: list[Callable[[], int]] = [
            *[self._scores] * 6,
            *[self._batch] * 4,
            *[self._stream] * 2,
            self._fit,
            self._leave,
            self._look,
        ]
        made = 0
        with self._channel:
            while made < requests:
                made += self._random.choice(kinds)()

    def _drawn(self, count: int) -> list[Asked]:
        return [self._questions.draw(share=self._marked) for _ in range(count)]

    def _model(self) -> str:
        return self._random.choice([*TWINS])

    def _scores(self) -> int:
        """Calls of a question each, all at once."""
        model = self._model()
        wanted = []
        for asked in self._drawn(self._random.choice([1, 4, 16])):
            settings = self._questions.settings([asked])
            request = scoring_pb2.ScoreRequest(settings=settings, question=asked.question)
            wanted.append((asked, _of_model(request, model)))
        futures = [self._scoring.Score.future(each, timeout=_PATIENCE) for _, each in wanted]
        for (asked, request), future in zip(wanted, futures, strict=True):
            answer, status = self._ended(future.result, request, self._scoring.Score)
            outcome = (
                scoring_pb2.Outcome(error=status)
                if answer is None
                else scoring_pb2.Outcome(answer=answer.answer)
            )
            twin = scoring_pb2.Outcome()
            if asked.mark is None:
                twin.answer.CopyFrom(self._scoring.Score(_of_twin(request)).answer)
            self._compare("Score", request, asked, outcome, twin)
            self._count("Score", [asked], status)
        return len(wanted)

    def _batch(self) -> int:
        asked = self._drawn(self._random.choice([1, 2, 8, 32]))
        settings = self._questions.settings(asked)
        request = _of_model(
            scoring_pb2.BatchScoreRequest(
                settings=settings, questions=[each.question for each in asked]
            ),
            self._model(),
        )
        answer, status = self._ended(None, request, self._scoring.BatchScore)
        self._count("BatchScore", asked, status)
        if answer is None:
            self._found.wrong(f"BatchScore: {words(status)}", request)
            return 1
        twin = self._scoring.BatchScore(_of_twin(request))
        self._compare_all("BatchScore", request, asked, answer.outcomes, twin.outcomes)
        return 1

    def _stream(self) -> int:
        batches = [self._drawn(self._random.choice([1, 4])) for _ in range(4)]
        everything = [each for batch in batches for each in batch]
        settings = self._questions.settings(everything)
        settings.model = self._model()
        requests = [
            scoring_pb2.StreamScoreRequest(
                settings=settings if not number else None,
                batch_id=str(number),
                questions=[each.question for each in batch],
            )
            for number, batch in enumerate(batches)
        ]
        answers = self._streamed(requests)
        self._count("StreamScore", everything, None)
        settings.model = TWINS[settings.model]
        requests[0].settings.CopyFrom(settings)
        twins = self._streamed(requests)
        for number, batch in enumerate(batches):
            one, other = answers[str(number)], twins[str(number)]
            self._compare_all("StreamScore", requests[number], batch, one, other)
        return 1

    def _streamed(self, requests: list[Any]) -> dict[str, Any]:
        """The outcomes of each batch by its id; those told to come back do."""
        found: dict[str, Any] = {}
        for _ in range(_RETRIES):
            left = [each for each in requests if each.batch_id not in found]
            if not left:
                break
            left[0].settings.CopyFrom(requests[0].settings)
            for response in self._scoring.StreamScore(iter(left), timeout=_PATIENCE):
                if not response.HasField("error"):
                    found[response.batch_id] = response.outcomes
                elif reason_of(response.error) == _COME_BACK:
                    self._come_back()
                else:
                    self._found.wrong(f"StreamScore: {words(response.error)}", requests[0])
                    found[response.batch_id] = []
        return found

    def _fit(self) -> int:
        asked = self._questions.text_only(self._random.choice([10, 100]), share=self._marked / 10)
        request = self._questions.fit(asked)
        request.model = self._model()
        answer, status = self._ended(None, request, self._last_of_fit)
        self._count("FitCalibrator", asked, status)
        first = next((each.mark for each in asked if each.mark is not None), None)
        if first is not None:
            wanted = f"FAILED_PRECONDITION, {first.reason}"
            if words(status) != wanted:
                self._found.wrong(f"a fit ends with {words(status)} for {wanted}", request)
            return 1
        if answer is None:
            self._found.wrong(f"FitCalibrator: {words(status)}", request)
            return 1
        twin = type(request).FromString(request.SerializeToString())
        twin.model = TWINS[request.model]
        if answer.temperature != self._last_of_fit(twin).temperature:
            self._found.wrong("a fit has another temperature", request)
        return 1

    def _last_of_fit(self, request: Any, timeout: float = _PATIENCE) -> Any:
        *_, last = self._fits.FitCalibrator(request, timeout=timeout)
        return last.calibrator

    def _leave(self) -> int:
        """Asks, marked or not, and does not wait for the answer."""
        asked = self._drawn(8)
        settings = self._questions.settings(asked)
        request = scoring_pb2.BatchScoreRequest(
            settings=settings, questions=[each.question for each in asked]
        )
        call = self._scoring.BatchScore.future(_of_model(request, self._model()))
        threading.Event().wait(self._random.choice([0.0, 0.001, 0.01]))
        call.cancel()
        self._found.add("left", asked, "CANCELLED")
        return 1

    def _look(self) -> int:
        """What has nothing to do with an engine answers whatever becomes of engines."""
        listed = self._models.ListModels(model_pb2.ListModelsRequest(), timeout=_PATIENCE)
        self._found.add("ListModels", [], "OK")
        if len(listed.models) != len(TWINS) + 1:
            self._found.wrong("not every model is listed", listed)
        return 1

    def _ended(
        self, first: Callable[[], Any] | None, request: Any, call: Callable[..., Any]
    ) -> tuple[Any, status_pb2.Status | None]:
        """The answer or the status of a call, which comes back where it is told to."""
        status: status_pb2.Status | None = None
        for attempt in range(_RETRIES):
            try:
                if first is not None and not attempt:
                    return first(), None
                return call(request, timeout=_PATIENCE), None
            except grpc.RpcError as error:
                status = status_of(error)
            if reason_of(status) != _COME_BACK:
                break
            self._come_back()
        return None, status

    def _come_back(self) -> None:
        self._found.told_to_come_back()
        threading.Event().wait(_RETRY_SECONDS)

    def _count(self, kind: str, asked: Sequence[Asked], status: status_pb2.Status | None) -> None:
        code = "OK" if status is None else code_pb2.Code.Name(status.code)
        self._found.add(kind, asked, code)

    def _compare_all(
        self, kind: str, request: Any, asked: list[Asked], outcomes: Any, twins: Any
    ) -> None:
        if not len(outcomes) == len(twins) == len(asked):
            self._found.wrong(f"{kind}: not one outcome a question", request)
            return
        for each, outcome, twin in zip(asked, outcomes, twins, strict=True):
            self._compare(kind, request, each, outcome, twin)

    def _compare(
        self, kind: str, request: Any, asked: Asked, outcome: Any, twin: scoring_pb2.Outcome
    ) -> None:
        for what in faults(asked, outcome, twin):
            self._found.wrong(f"{kind}: {what}", request)


def _of_model(request: Any, model: str) -> Any:
    request.settings.model = model
    return request


def _of_twin(request: Any) -> Any:
    copy = type(request).FromString(request.SerializeToString())
    return _of_model(copy, TWINS[request.settings.model])
