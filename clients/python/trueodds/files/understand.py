"""One mind about a file: what its columns and its answers mean, decided once, from all of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from trueodds.files.answers import Answers, Evidence
from trueodds.files.cells import cell, few, has
from trueodds.files.columns import Columns, Sample, Wanted, find_columns
from trueodds.files.errors import BadRow, FileError
from trueodds.files.items import options_of
from trueodds.files.names import all_names, listed, resolve
from trueodds.files.native import NATIVE_KEYS, is_native
from trueodds.files.options import without_letters
from trueodds.files.presets import NATIVE, Preset, detect, preset
from trueodds.files.preview import readings_preview
from trueodds.files.source import Source

# How many rows tell which columns there are.
SAMPLE = 64
# And how large they may be together, in bytes: they are held at once.
SAMPLE_BYTES = 2**26
_SHOWN = 3


def understand(source: Source, wanted: Wanted) -> Columns:
    """The columns of a file, and what its answers are, for which the whole file is looked at.

    Raises FileError where that is uncertain, with the first rows as they would be understood and
    the option that decides.
    """
    rows = _readable(source)
    sample = list(few(rows, SAMPLE, SAMPLE_BYTES))
    if not sample:
        raise _no_row(source)
    _check_named(wanted, sample, rows)
    try:
        columns = _columns(sample, wanted, all_names(sample))
    except FileError as error:
        names = list(dict.fromkeys(name for row in sample for name in row))
        seen = listed([name or '""' for name in names])
        hint = "" if len(names) > 1 else "; --delimiter says what is between columns"
        raise FileError(
            f"{source.name or source.path}: {error}. The columns: {seen}{hint}"
        ) from error
    columns = replace(columns, letters=_letters(sample, columns))
    return _with_answers(source, columns, wanted)


def unread(columns: Columns, sample: Sample) -> list[str]:
    """The columns that nothing is taken from."""
    taken = {name.partition(".")[0] for name in columns.names()} | {*columns.names()}
    if columns.layout == NATIVE:
        taken |= NATIVE_KEYS
    return [
        name for name in dict.fromkeys(name for row in sample for name in row) if name not in taken
    ]


def _readable(source: Source) -> Iterator[dict[str, Any]]:
    return (row for row in source.rows() if isinstance(row, dict))


def _no_row(source: Source) -> FileError:
    place, row = next(source.placed())
    return FileError(f"{source.name or source.path}, {place}: {row}; no row of it can be read")


def _check_named(wanted: Wanted, sample: Sample, others: Iterator[dict[str, Any]]) -> None:
    """Looks for what the caller names, through the whole file where it has to."""
    unseen = {name for name in wanted.named() if not any(has(row, name) for row in sample)}
    while unseen and (row := next(others, None)) is not None:
        unseen = {name for name in unseen if not has(row, name)}
    if unseen:
        names = list(dict.fromkeys(name for row in sample for name in row))
        raise FileError(f"no row has a column {min(unseen)!r}. The columns: {listed(names)}")


def _columns(sample: Sample, wanted: Wanted, names: list[str]) -> Columns:
    told = wanted.question is not None or wanted.options or wanted.classes
    if wanted.layout == NATIVE or (wanted.layout is None and not told and _is_native(sample)):
        return Columns(
            NATIVE,
            question="question",
            options=("options",),
            answer="answer" if wanted.answer is None else wanted.answer or None,
            passage="passage" if wanted.passage is None else wanted.passage or None,
            id="id" if wanted.id is None else wanted.id or None,
            task=wanted.task,
        )
    if wanted.layout is not None:
        return _of(preset(wanted.layout), wanted, names)
    if not told and (found := detect(names)) is not None:
        return _of(found, wanted, names)
    return find_columns(sample, wanted, names)


def _is_native(sample: Sample) -> bool:
    """Whether rows are as `trueodds score --help` shows them, at least half of the first ones."""
    return 2 * sum(map(is_native, sample)) >= len(sample)


def _of(found: Preset, wanted: Wanted, names: list[str]) -> Columns:
    def actual(told: str | None, known: str) -> str | None:
        return (resolve(known, names) if known else None) if told is None else told or None

    question = actual(wanted.question, found.question)
    options = tuple(wanted.options) or tuple(resolve(each, names) or "" for each in found.options)
    if question is None or "" in options:
        needed = ", ".join(sorted(found.needs()))
        raise FileError(f"the layout {found.name} has other columns: {needed}")
    return Columns(
        found.name,
        question=question,
        options=options,
        answer=actual(wanted.answer, found.answer),
        passage=actual(wanted.passage, found.passage),
        id=actual(wanted.id, found.id),
        task=wanted.task or None,
        answers=found.answers,
    )


def _letters(sample: Sample, columns: Columns) -> bool:
    """Whether most of the first rows have their letters before the options."""
    if columns.classes:
        return False
    found = 0
    for row in sample:
        try:
            found += without_letters(options_of(row, columns)) is not None
        except BadRow:
            continue
    return 2 * found > len(sample)


def _with_answers(source: Source, columns: Columns, wanted: Wanted) -> Columns:
    """The columns with what the answers are: told, of the layout, or seen in the whole file."""
    if wanted.answer == "":
        return replace(columns, answer=None, answers=None)
    if wanted.answers is not None:
        return replace(columns, answers=wanted.answers)
    evidence = _evidence(source, columns)
    if columns.answer is None or (evidence.marked and not evidence.said):
        return replace(columns, answers=Answers.MARKED if evidence.marked else None)
    if not evidence.said:
        return replace(columns, answers=None)
    if columns.layout == NATIVE and 2 * evidence.numbers > evidence.said:
        columns = replace(columns, answers=Answers.FROM_0)
    possible = evidence.possible()
    if columns.answers is not None and not wanted.layout and not evidence.fits(columns.answers):
        columns = replace(columns, layout=None, answers=None)  # like it in its columns only
    if columns.answers is not None:
        against = evidence.against(columns.answers)
        if not against or wanted.layout is not None:
            return columns
        possible = [columns.answers, *against]
    if len(possible) == 1:
        return replace(columns, answers=possible[0])
    raise FileError(_uncertain(source, columns, possible))


def _evidence(source: Source, columns: Columns) -> Evidence:
    evidence = Evidence()
    for row in source.rows(0, columns.names()):
        if isinstance(row, dict):
            try:
                options = options_of(row, columns)
            except BadRow:
                continue
            evidence.add(cell(row, columns.answer) if columns.answer else None, options)
    return evidence


def _uncertain(source: Source, columns: Columns, possible: list[Answers]) -> str:
    where = f"{source.name or source.path}: the answers in {columns.answer!r}"
    if not possible:
        return (
            f'{where} are no options; --answer-column names another column, and "" none. '
            f"As it would be read: {columns}"
        )
    known = [each.value for each in possible]
    said = " or ".join(f"--answers {each}" for each in known)
    shown = readings_preview(source, columns, possible, _SHOWN)
    return f"{where} may be {' or '.join(known)}; {said} decides. As they would be read:\n{shown}"
