"""What the processes of a node did in the last minute, of two looks at what they count.

Somebody who looks less often is told what they did since the look before.
"""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Values = Mapping[str, Mapping[Labels, float]]
"""Samples by their names and labels, summed over the processes."""

_SPAN_SECONDS = 60.0
# A page that is asked for sooner gets the numbers of the last one.
_LEAST_SECONDS = 0.9
# Fewer tell nothing.
_LEAST_LOOKS = 2


@dataclass(frozen=True, slots=True)
class MethodNumbers:
    """Requests of a method: how many a second, what share of them failed, and seconds.

    ``middle`` and ``slow`` are the median and the 95th percentile, None where none has ended.
    """

    name: str
    per_second: float
    failed: float
    middle: float | None
    slow: float | None


@dataclass(frozen=True, slots=True)
class Model:
    """Questions a second for a model, by what became of them, and prompts that wait now."""

    name: str
    calibrated: float
    raw: float
    failed: float
    tokens: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The last ``seconds``, which are 0 at the first look. ``under_way`` is now."""

    seconds: float
    under_way: int
    methods: tuple[MethodNumbers, ...]
    models: tuple[Model, ...]


class Looks:
    """Looks at pages of metrics, and at what has changed since; from any thread."""

    def __init__(
        self, text: Callable[[], bytes], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``text`` gives a page in Prometheus's text format, and may block."""
        self._text = text
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, Values]] = deque()

    def recent(self) -> Recent:
        with self._lock:
            now = self._clock()
            if not self._seen or now - self._seen[-1][0] >= _LEAST_SECONDS:
                self._seen.append((now, _values(self._text())))
            # The look before stays, however long ago it was.
            while len(self._seen) > _LEAST_LOOKS and now - self._seen[0][0] > _SPAN_SECONDS:
                self._seen.popleft()
            (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return _between(ended - began, before, after)


def _values(text: bytes) -> Values:
    values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = frozenset(each for each in sample.labels.items() if each[0] != "process")
            values[sample.name][labels] += sample.value
    return values


def _between(seconds: float, before: Values, after: Values) -> Recent:
    def grown(name: str, **wanted: str) -> dict[Labels, float]:
        """By how much each series with such labels has grown; one that began anew, from 0."""
        return {
            labels: value - was
            if value >= (was := before.get(name, {}).get(labels, 0.0))
            else value
            for labels, value in after.get(name, {}).items()
            if labels >= frozenset(wanted.items())
        }

    def total(name: str, **wanted: str) -> float:
        return sum(grown(name, **wanted).values())

    def questions(model: str, outcome: str) -> float:
        return total("trueodds_questions_total", model=model, outcome=outcome) / span

    span = max(seconds, _LEAST_SECONDS)
    methods = []
    for name in _names(grown("trueodds_requests_total"), "method"):
        ended = total("trueodds_requests_total", method=name)
        well = total("trueodds_requests_total", method=name, status="OK")
        buckets = _buckets(grown("trueodds_request_seconds_bucket", method=name))
        methods.append(
            MethodNumbers(
                name.removeprefix("trueodds.v1."),
                ended / span,
                1 - well / ended if ended else 0.0,
                _quantile(buckets, 0.5),
                _quantile(buckets, 0.95),
            )
        )
    models = [
        Model(
            name,
            calibrated=questions(name, "calibrated"),
            raw=questions(name, "raw"),
            failed=questions(name, "failed"),
            tokens=total("trueodds_prompt_tokens_total", model=name) / span,
            waiting=int(_now(after, "trueodds_prompts_waiting", model=name)),
        )
        for name in _names(after.get("trueodds_model_state", {}), "model")
    ]
    under_way = int(_now(after, "trueodds_requests_under_way"))
    # All that the first look sees is as old as the process: no rate can be told.
    return Recent(seconds, under_way, tuple(methods) if seconds else (), tuple(models))


def _now(values: Values, name: str, **wanted: str) -> float:
    series = values.get(name, {}).items()
    return sum(value for labels, value in series if labels >= frozenset(wanted.items()))


def _names(series: Iterable[Labels], label: str) -> list[str]:
    return sorted({value for labels in series for name, value in labels if name == label})


def _buckets(series: Mapping[Labels, float]) -> list[tuple[float, float]]:
    """Upper edges and how many lie below each, both ascending."""
    return sorted((float(dict(labels)["le"]), count) for labels, count in series.items())


def _quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """By linear interpolation in its bucket; of the last one, which has no end, its beginning."""
    if not buckets or not buckets[-1][1]:
        return None
    wanted = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if count >= wanted:
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower
