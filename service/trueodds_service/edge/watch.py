"""Watches requests: counts them as they pass the gate, and tells of them when they have ended."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.config import RequestLog
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.logs import REQUESTS
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.edge.tracing import Tracing
from trueodds_service.errors import ServiceError
from trueodds_service.watching import Answered, Stage, Watcher, watched_by

_log = logging.getLogger(REQUESTS)


class Watch:
    """Watches all requests of a gateway, whichever door they came by."""

    def __init__(
        self,
        metrics: RequestMetrics | None = None,
        log: RequestLog = RequestLog.NONE,
        tracing: Tracing | None = None,
    ) -> None:
        self.metrics, self.log, self.tracing = metrics, log, tracing

    @contextmanager
    def request(self, arrival: Arrival) -> Iterator["Watched"]:
        """While it lasts; what is done inside is told to its watcher."""
        watched = Watched(arrival, self)
        try:
            with watched_by(watched):
                yield watched
        except ServiceError as error:
            watched.ended(error.code, error.reason)
            raise
        except (asyncio.CancelledError, GeneratorExit):  # who asked has left
            watched.ended("CANCELLED", "CANCELLED")
            raise
        except Exception:
            watched.ended("INTERNAL", "INTERNAL")
            raise
        watched.ended("OK", "")


class Watched(Watcher):
    """One request."""

    def __init__(self, arrival: Arrival, watch: Watch) -> None:
        self._span = None if watch.tracing is None else watch.tracing.request(arrival)
        super().__init__(arrival.request_id, self._span.traceparent if self._span else "")
        self._arrival = arrival
        self._metrics, self._log = watch.metrics, watch.log
        self._caller = caller.ANYONE
        self._is_in = False
        self._questions = {"calibrated": 0, "raw": 0, "failed": 0, "prompt_tokens": 0}
        self._started = time.perf_counter()

    def asked_by(self, who: Caller) -> None:
        """It is known who asks."""
        self._caller = who

    def admitted(self) -> None:
        """It has passed the gate."""
        self._is_in = True
        self.passed(Stage.ADMISSION, self._started, time.perf_counter())
        if self._metrics is not None:
            self._metrics.under_way.inc()

    def passed(self, stage: Stage, started: float, ended: float) -> None:
        if self._metrics is not None:
            self._metrics.passed(stage, ended - started)
        if self._span is not None:
            self._span.passed(stage, started, ended)

    def answered(self, answered: Answered) -> None:
        counts = self._questions
        counts["calibrated"] += answered.calibrated
        counts["raw"] += answered.raw
        counts["failed"] += sum(answered.failed.values())
        counts["prompt_tokens"] += answered.prompt_tokens
        if self._metrics is not None:
            self._metrics.answered(answered, self._caller.charged)

    def ended(self, status: str, reason: str) -> None:
        """It is over: nothing more is told of its stages and questions."""
        seconds = time.perf_counter() - self._started
        method, who = self._arrival.method, self._caller
        if self._metrics is not None:
            if self._is_in:
                self._metrics.under_way.dec()
            self._metrics.ended(method, status, reason, who.charged, seconds)
        if self._span is not None:
            self._span.ended(status, reason, self._questions)
        if self._log is RequestLog.ALL or (self._log is RequestLog.FAILED and status != "OK"):
            fields = {
                "request_id": self.request_id,
                "method": method,
                "caller": who.name,
                "tenant": who.tenant,
                "status": status,
                "reason": reason,
                "milliseconds": round(seconds * 1000, 3),
                **self._questions,
            }
            _log.info("request", extra={"fields": fields})
