"""Ten times as much is asked as can be answered, and then little again.

Of an engine that takes as long whatever it is asked, where the gateway's places are what is short;
and of the real one, whose own queue refuses what would be too late.
"""

import asyncio
import contextlib
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import grpc
import psutil
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from trueodds import Question
from trueodds.v1 import question_pb2, scoring_pb2, scoring_pb2_grpc
from verification.chaos.alone import gateway
from verification.chaos.load import QUESTIONS
from verification.chaos.record import Result
from verification.chaos.service import FAKE, MODEL, VLLM, service

TRIES = 60
"""Seconds of ten times capacity."""
# How many requests are let in at once, and how long the engine takes whatever it is asked: 20 a
# second.
_PLACES, _ENGINE_SECONDS = 10, 0.5
_CAPACITY = _PLACES / _ENGINE_SECONDS
_TIMES = 10
_DEADLINE_SECONDS = 2.0
_CALM_SECONDS = 5.0
# The deadline of calls that only prepare.
_PATIENCE_SECONDS = 60.0
_CONNECTIONS = 8
_NOISE_NATS = 1e-3
# Callers at once while the capacity is measured.
_CALLERS = 32
# A caller that is refused has to learn it before it could have had an answer.
_MOST_REFUSAL_SECONDS = _ENGINE_SECONDS
# What is refused leaves nothing behind; an allocator keeps some of what it once had.
_MOST_MEMORY = 48 * 2**20
# What counts as normal again: at most 1.5 times what a call took before, ten times in a row.
_NORMAL, _IN_A_ROW = 1.5, 10
_MOST_RECOVERY_SECONDS = 5.0


@dataclass(frozen=True)
class _Asked:
    """``capacity``, answers a second, is measured where it is None. To answer less than the part
    ``least`` of it would mean that refusing is what the service does instead of its work.
    """

    questions: Sequence[Question]
    capacity: float | None
    least: float
    most_late: float = 0.0
    """Of what is let in: how fast the real engine is, is learnt, and changes."""


_OF_FAKE = _Asked(QUESTIONS, _CAPACITY, least=0.8)
# Questions of some hundred tokens. They are asked in turn, and the cache holds half of them, so
# that the one that is asked is never in it. The engine shares its cores with those who ask.
_OF_VLLM = _Asked(
    [
        replace(question, passage=f"Number {number}. {'It was seen again. ' * 120}")
        for number, question in enumerate(QUESTIONS)
    ],
    None,
    least=0.5,
    most_late=0.2,
)
_SMALL_CACHE = {"kv_cache_gib": 0.125}


@dataclass
class _Crowd:
    """Callers of a gateway who do not try again, and how they fare."""

    held: Callable[[], int]
    """The bytes that the gateway has."""
    result: Result
    stubs: Sequence[Any]
    questions: Sequence[Question]
    right: list[Any] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    """Seconds that calls took, in the order in which they ended."""
    late: int = 0
    """How many were let in, and had no answer in their time."""
    memory: int = 0
    """The most bytes that the gateway had."""

    async def learn(self) -> None:
        """The right answers, from callers for whom there is room."""
        room = asyncio.Semaphore(_PLACES)

        async def answer(question: Question) -> Any:
            async with room:
                told = await self.stubs[0].Score(_request(question), timeout=_PATIENCE_SECONDS)
            return told.answer

        self.right = await asyncio.gather(*map(answer, self.questions))

    async def capacity(self) -> float:
        """Answers a second, to callers each of whom asks again at once."""
        began, asked = time.monotonic(), itertools.cycle(self.questions)

        async def call(caller: int) -> int:
            answered = 0
            while time.monotonic() < began + _CALM_SECONDS:
                request = _request(next(asked))
                await self.stubs[caller % len(self.stubs)].Score(request, timeout=_PATIENCE_SECONDS)
                answered += 1
            return answered

        answered = sum(await asyncio.gather(*map(call, range(_CALLERS))))
        return answered / (time.monotonic() - began)

    async def ask(self, rate: float, seconds: float) -> None:
        """``rate`` calls a second, whatever becomes of those before."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as calls:
            for number in range(round(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                calls.create_task(self._call(number))
                if not number % round(rate):
                    self.memory = max(self.memory, self.held())

    async def _call(self, number: int) -> None:
        place = number % len(self.questions)
        began = time.monotonic()
        try:
            response = await self.stubs[number % len(self.stubs)].Score(
                _request(self.questions[place]), timeout=_DEADLINE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            self._failed(error, time.monotonic() - began)
            return
        self.answered.append(time.monotonic() - began)
        if not _alike(response.answer, self.right[place]):
            self.result.wrong += 1
            self.result.note(f"question {place} has another answer")

    def _failed(self, error: grpc.aio.AioRpcError, seconds: float) -> None:
        if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and _says_when(error):
            self.refused.append(seconds)
        elif error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            self.late += 1
        else:
            self.result.wrong += 1
            self.result.note(f"told {error.code().name}: {error.details()}")


def ten_times_capacity(seconds: int = TRIES) -> Result:
    """What is let in is answered rightly and in time; the rest is told at once when to come back;
    afterwards all is as before.
    """
    result = Result("ten-times-capacity-sqlite")
    engine = {**FAKE, "seconds": _ENGINE_SECONDS}
    with gateway(engine=engine, limits={"max_concurrent_requests": _PLACES}) as target:
        held = partial(_resident, target.process)
        asyncio.run(_overloaded(target.address, held, result, seconds, _OF_FAKE))
    return result


def ten_times_capacity_of_vllm(seconds: int = TRIES) -> Result:
    """The same of the whole service with the real engine. Its capacity is measured first."""
    result = Result("ten-times-capacity-real")
    with (
        tempfile.TemporaryDirectory() as folder,
        service(f"sqlite:///{folder}/store.sqlite", engine={**VLLM, **_SMALL_CACHE}) as target,
    ):
        [process] = target.processes("trueodds:gateway")
        held = partial(_resident, process)
        asyncio.run(_overloaded(target.address, held, result, seconds, _OF_VLLM))
    return result


def _resident(process: psutil.Process) -> int:
    """Bytes."""
    return process.memory_info().rss


async def _overloaded(
    address: str, held: Callable[[], int], result: Result, seconds: int, asked: _Asked
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stubs = [
            scoring_pb2_grpc.ScoringServiceStub(
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(
                        address,
                        [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)],
                    )
                )
            )
            for _ in range(_CONNECTIONS)
        ]
        calm = _Crowd(held, result, stubs, asked.questions)
        await calm.learn()
        capacity = asked.capacity or await calm.capacity()
        await calm.ask(capacity / 2, _CALM_SECONDS)
        crowd = _Crowd(held, result, stubs, asked.questions, calm.right)
        began = time.monotonic()
        await crowd.ask(_TIMES * capacity, seconds)
        ended = time.monotonic()
        result.tries = seconds
        result.seen["capacity, a second"] = round(capacity, 1)
        usual = statistics.median(calm.answered)
        result.recoveries.append(await _until_normal(stubs[0], asked.questions[0], usual))
    result.lost += max(0, crowd.late - round(asked.most_late * (crowd.late + len(crowd.answered))))
    _judge(result, calm, crowd, ended - began, asked.least * capacity * seconds)


async def _until_normal(stub: Any, question: Question, usual: float) -> float:
    """The seconds until the first of some calls in a row that are answered as fast as ever."""
    began = since = time.monotonic()
    in_a_row = 0
    while in_a_row < _IN_A_ROW:
        asked = time.monotonic()
        if asked > began + 2 * _MOST_RECOVERY_SECONDS + _IN_A_ROW * usual:
            return asked - began
        try:
            await stub.Score(_request(question), timeout=_DEADLINE_SECONDS)
            is_normal = time.monotonic() - asked <= _NORMAL * usual
        except grpc.aio.AioRpcError:
            is_normal = False
        in_a_row = in_a_row + 1 if is_normal else 0
        since = since if is_normal else time.monotonic()
    return since - began


def _judge(result: Result, calm: _Crowd, crowd: _Crowd, seconds: float, least: float) -> None:
    asked = len(crowd.answered) + len(crowd.refused)
    grown = (crowd.memory - calm.memory) / 2**20
    refusal = _percentile(crowd.refused, 99)
    result.seen.update(
        {
            "asked a second": round(asked / seconds, 1),
            "answered": len(crowd.answered),
            "refused": len(crowd.refused),
            "late": crowd.late,
            "refusal, p50, s": round(statistics.median(crowd.refused), 4),
            "refusal, p99, s": round(refusal, 4),
            "answer, p50 before, s": round(statistics.median(calm.answered), 3),
            "answer, p99, s": round(_percentile(crowd.answered, 99), 3),
            "growth of memory, MiB": round(grown, 1),
        }
    )
    for fault, there in {
        "a quiet caller was refused": bool(calm.refused),
        f"only {len(crowd.answered)} were answered, of {least:.0f}": len(crowd.answered) < least,
        f"refusals took {refusal:.2f} s": refusal > _MOST_REFUSAL_SECONDS,
        f"it holds {grown:.0f} MiB more": grown > _MOST_MEMORY / 2**20,
        "calls took longer for a while": result.recoveries[0] > _MOST_RECOVERY_SECONDS,
    }.items():
        if there:
            result.wrong += 1
            result.note(fault)


def _alike(answer: scoring_pb2.Answer, right: scoring_pb2.Answer) -> bool:
    """Beside other questions a real engine adds up in another order."""
    return len(answer.options) == len(right.options) and all(
        math.isclose(one.logprob, other.logprob, abs_tol=_NOISE_NATS)
        for one, other in zip(answer.options, right.options, strict=True)
    )


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _request(asked: Question) -> scoring_pb2.ScoreRequest:
    return scoring_pb2.ScoreRequest(
        settings=scoring_pb2.ScoreSettings(model=f"models/{MODEL}"),
        question=question_pb2.Question(
            text=asked.text,
            passage=asked.passage,
            options=[question_pb2.Option(text=text) for text in asked.options],
        ),
    )


def _says_when(error: grpc.aio.AioRpcError) -> bool:
    """Whether it says when to come back."""
    # It is a Call as well, which the stubs do not say.
    status = rpc_status.from_call(cast(grpc.Call, error))
    retry = error_details_pb2.RetryInfo()
    return status is not None and any(box.Unpack(retry) for box in status.details)
