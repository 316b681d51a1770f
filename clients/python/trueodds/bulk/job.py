"""A run: rows to questions, a stream of them to the service, and their answers to parts."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from google.protobuf.json_format import MessageToDict
from pyarrow import parquet

from trueodds import errors
from trueodds._channel import BATCH
from trueodds._convert import scoring as _messages
from trueodds.bulk.errors import BulkError
from trueodds.bulk.origin import Origin
from trueodds.bulk.parts import Parts
from trueodds.bulk.table import Result, part_table
from trueodds.client import Client
from trueodds.files.cells import few
from trueodds.files.columns import Columns
from trueodds.files.items import Item, read_item
from trueodds.files.source import Source
from trueodds.v1 import scoring_pb2

# Rows of a part: what an interruption can cost at most, but for what is under way.
_PART = 1024
# And how large they may be together, in bytes: a part is held at once, with its messages.
_PART_BYTES = 2**26

Progress = Callable[[int, int], None]
"""Called with how many rows are done, and how many of them are errors."""


@dataclass(frozen=True, slots=True)
class Summary:
    """``rows`` of the output, ``errors`` among them, and how many were ``resumed``; answers in the
    input that are no option are ``unusable``, and ``first_unusable`` says where and why. The
    options of ``low_mass`` answers hold next to nothing of the probability. ``stale`` answers were
    given while the service's store of calibrators was away.
    """

    rows: int
    errors: int
    resumed: int
    unusable: int = 0
    first_unusable: str = ""
    low_mass: int = 0
    stale: int = 0


@dataclass(slots=True)
class _Part:
    first: int
    items: list[Item]
    results: list[Result]
    unanswered: int = 0
    """How many of its messages have no answer yet."""


_Batch: TypeAlias = tuple[tuple[_Part, list[int]], scoring_pb2.StreamScoreRequest]


def score_file(
    client: Client,
    source: Source,
    columns: Columns,
    output: Path,
    settings: scoring_pb2.ScoreSettings,
    progress: Progress = lambda done, errors: None,
) -> Summary:
    """Scores every row of a file into a Parquet file, and goes on where an earlier run ended.

    Raises BulkError where the output is another run's, or would be of two models, calibrators or
    files, and the client's errors where the service cannot go on; what is done is kept, and the
    same call goes on with the rest.
    """
    served = client.model(settings.model)
    parts = Parts(
        output,
        {
            "input": {
                "digest": source.digest,
                "rows": source.count,
                **asdict(source.dialect),
            },
            "columns": asdict(columns),
            "settings": MessageToDict(settings),
            "model": {"revision": served.revision, "tokenizer": served.tokenizer_revision},
        },
    )
    if parts.finished():
        return _summary(output, source.count, source.count)
    with parts.opened() as resumed:
        origin = Origin(served.revision, served.tokenizer_revision)
        for facts in parts.facts():
            origin.agree(facts)
        done, failed = resumed, 0
        progress(done, failed)
        under_way: deque[_Part] = deque()

        def batches() -> Iterator[_Batch]:
            for part in _parts(source, columns, resumed):
                keep()  # parts that ask nothing get no answer to be kept by
                asked = _batches(part, settings, min(BATCH, served.max_items))
                under_way.append(part)
                yield from asked

        def keep() -> None:
            nonlocal done, failed
            while under_way and not under_way[0].unanswered:
                part = under_way.popleft()
                facts = origin.of(part.items, part.results, settings.task)
                table = part_table(part.first, part.items, part.results, settings)
                parts.add(part.first, table, facts)
                failed += table.num_rows - table["error_code"].null_count
                done = part.first + len(part.items)

        for (part, places), response in client.stream(batches()):
            _settle(part, places, response)
            keep()
            progress(max(done, part.first + places[-1] + 1), failed)
        keep()
        progress(done, failed)
        if done != source.count:
            raise BulkError(f"{source.path} changed while it was read: remove {output}.parts")
        parts.merge()
    return _summary(output, source.count, resumed)


def _parts(source: Source, columns: Columns, start: int) -> Iterator[_Part]:
    """The rows from ``start`` in parts."""
    rows = source.placed(start, columns.names())
    while items := [read_item(row, columns, place) for place, row in few(rows, _PART, _PART_BYTES)]:
        source.check_unchanged()
        yield _Part(start, items, [None] * len(items))
        start += len(items)


def _batches(part: _Part, settings: scoring_pb2.ScoreSettings, size: int) -> list[_Batch]:
    """The messages of a part, and of each the places of its questions in the part."""
    by_task: dict[str, list[int]] = {}
    for place, item in enumerate(part.items):
        if item.question is not None:
            task = settings.task if item.task is None else item.task
            by_task.setdefault(task, []).append(place)
    batches: list[_Batch] = []
    for task, places in by_task.items():
        own = scoring_pb2.ScoreSettings()
        own.CopyFrom(settings)
        own.task = task
        questions = [question for place in places if (question := part.items[place].question)]
        for first, message in _messages.stream_messages(own, 0, questions, size):
            asked = places[first : first + len(message.questions)]
            batches.append(((part, asked), message))
    part.unanswered = len(batches)
    return batches


def _settle(part: _Part, places: Sequence[int], response: scoring_pb2.StreamScoreResponse) -> None:
    """Puts a message's outcomes in their places. Raises what is wrong with the whole run."""
    part.unanswered -= 1
    if response.HasField("error"):
        raise errors.from_status(response.error)
    for place, outcome in zip(places, response.outcomes, strict=True):
        answered = outcome.HasField("answer")
        part.results[place] = outcome.answer if answered else outcome.error


_SUMMED = ["error_code", "answer_error", "low_option_mass", "calibration_stale"]


def _summary(output: Path, rows: int, resumed: int) -> Summary:
    """What an output holds, read a row group at a time."""
    errors, unusable, first, low_mass, stale = 0, 0, "", 0, 0
    with parquet.ParquetFile(output) as file:
        for place in range(file.num_row_groups):
            group = file.read_row_group(place, _SUMMED)
            errors += len(group) - group["error_code"].null_count
            told = group.filter(group["answer_error"].is_valid())
            unusable += len(told)
            low_mass += len(group.filter(group["low_option_mass"]))
            stale += len(group.filter(group["calibration_stale"]))
            if told and not first:
                first = str(told["answer_error"][0])
    return Summary(rows, errors, resumed, unusable, first, low_mass, stale)
