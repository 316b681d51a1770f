"""Watches requests: counts them as they pass the gate, and tells of them when they have ended."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from trueodds_service import caller
from trueodds_service.caller import Caller
from trueodds_service.edge.arrival import Arrival
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.errors import ServiceError
from trueodds_service.watching import Answered, Stage, Watcher, watched_by


class Watch:
    """Of all requests of a gateway, whichever door they came by."""

    def __init__(self, metrics: RequestMetrics | None = None) -> None:
        self._metrics = metrics

    @contextmanager
    def request(self, arrival: Arrival) -> Iterator["Watched"]:
        """While it lasts; what is done inside is told to its watcher."""
        watched = Watched(arrival, self._metrics)
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

    __slots__ = ("_arrival", "_caller", "_is_in", "_metrics", "_started", "request_id")

    def __init__(self, arrival: Arrival, metrics: RequestMetrics | None) -> None:
        self.request_id = arrival.request_id
        self._arrival = arrival
        self._metrics = metrics
        self._caller = caller.ANYONE
        self._is_in = False
        self._started = time.perf_counter()

    def admitted(self, who: Caller) -> None:
        """It has passed the gate."""
        self._caller, self._is_in = who, True
        self.passed(Stage.ADMISSION, self._started, time.perf_counter())
        if self._metrics is not None:
            self._metrics.under_way.inc()

    def passed(self, stage: Stage, started: float, ended: float) -> None:
        if self._metrics is not None:
            self._metrics.passed(stage, ended - started)

    def answered(self, answered: Answered) -> None:
        if self._metrics is not None:
            self._metrics.answered(answered, self._caller.tenant)

    def ended(self, status: str, reason: str) -> None:
        """Of its stages and questions nothing more is told."""
        if self._metrics is None:
            return
        if self._is_in:
            self._metrics.under_way.dec()
        seconds = time.perf_counter() - self._started
        method, tenant = self._arrival.method, self._caller.tenant
        self._metrics.ended(method, status, reason, tenant, seconds)
