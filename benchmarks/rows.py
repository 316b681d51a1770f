"""The rows of the table: what each is called, which system does it, and on which work."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from benchmarks.process import Start
from benchmarks.systems.hf import Transformers
from benchmarks.systems.lm_eval import LmEval
from benchmarks.systems.openai import OpenAi
from benchmarks.systems.service import CALLS, CONNECTIONS, MESSAGES, Service
from benchmarks.systems.vllm import IN_FLIGHT, Async, Offline, OfflineDefaults
from trueodds_service.config import VllmSettings

BASELINE = "offline"
_ENGINE = VllmSettings.model_fields


@dataclass(frozen=True)
class Row:
    """One way to have questions scored."""

    key: str
    name: str
    system: str
    method: str = "score"
    work: Literal["batches", "alone"] = "batches"
    slow: bool = False
    """So slow that it gets a part of the questions only."""
    note: str = ""
    varies: str = ""
    """The key of the row that it is with settings of its ``own``."""
    own: Mapping[str, Any] = field(default_factory=dict)

    def gpus(self, engine: VllmSettings) -> int:
        """How many GPUs it uses of a profile with these settings."""
        mine = VllmSettings.model_validate(
            {**engine.model_dump(), **{k: v for k, v in self.own.items() if k in _ENGINE}}
        )
        return math.ceil((mine.replicas.max if mine.replicas else 1) * (mine.gpus or 0))


SYSTEMS: dict[str, Start] = {
    "offline": Offline,
    "async": Async,
    "service": Service,
    "openai": OpenAi,
    "lm-eval": LmEval,
    "transformers": Transformers,
    "offline-defaults": OfflineDefaults,
}

ROWS = (
    Row(BASELINE, "LLM.generate, token ids", "offline"),
    Row("async", "AsyncLLM, token ids", "async", note=f"{IN_FLIGHT:,} in flight"),
    Row("batch", "service, BatchScore, text", "service", "batch", note=f"{MESSAGES} in flight"),
    Row("stream", "service, StreamScore, text", "service", "stream", note=f"{CONNECTIONS} streams"),
    Row("one-stream", "service, StreamScore, text", "service", "one_stream", note="1 stream"),
    Row("unary", "service, Score, text", "service", "unary", note=f"{CALLS} in flight"),
    Row("async-alone", "AsyncLLM, one at a time", "async", "one_at_a_time", "alone"),
    Row("unary-alone", "service, Score, one at a time", "service", "one_at_a_time", "alone"),
    Row(
        "openai",
        "vLLM's OpenAI server, text",
        "openai",
        "completions",
        note="/v1/completions with logprob_token_ids; options of one token only",
    ),
    Row(
        "generative-scoring",
        "vLLM's /generative_scoring, token ids",
        "openai",
        "generative_scoring",
        note="tells the first label's probability only: a request an option",
    ),
    Row(
        "lm-eval",
        "lm-eval's vllm backend, token ids",
        "lm-eval",
        slow=True,
        note="a request an option, with the logprobs of the whole prompt",
    ),
    Row("transformers", "transformers, token ids", "transformers", slow=True),
    Row("offline-defaults", "LLM.generate, vLLM's own settings", "offline-defaults"),
)


def chosen(keys: Sequence[str]) -> list[Row]:
    """The rows of these keys, in the table's order. Raises ValueError at one that is none."""
    known = {row.key: row for row in ROWS}
    if unknown := set(keys) - known.keys():
        raise ValueError(f"no such row: {min(unknown)}; there are {', '.join(known)}")
    return [row for row in ROWS if row.key in keys and row.key != BASELINE]


def lanes(rows: Sequence[Row]) -> dict[str, int]:
    """For each row, how many before it have the same system score the same questions."""
    before: dict[str, int] = {}
    found = {}
    for row in rows:
        found[row.key] = 0
        if row.work == "batches":
            found[row.key] = before.get(row.system, 0)
            before[row.system] = found[row.key] + 1
    return found


def variant(rows: Sequence[Row], settings: Mapping[str, Any]) -> list[Row]:
    """Rows of the service once more, with settings of its own for the model or its engine."""
    name = ", ".join(f"{setting} {value}" for setting, value in settings.items())
    system = f"service, {name}"
    SYSTEMS[system] = functools.partial(Service, own=dict(settings))
    return [
        replace(
            row,
            key=f"{row.key}, {name}",
            name=f"{row.name}, {name}",
            system=system,
            varies=row.key,
            own=dict(settings),
        )
        for row in rows
    ]
