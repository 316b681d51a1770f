"""What the commands that read files share: the options for it, and what is told of a file."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from trueodds.cli.console import say, tell_unusable
from trueodds.cli.options import Command, takes
from trueodds.files import (
    Columns,
    Dialect,
    FileError,
    Item,
    Source,
    Wanted,
    open_source,
    preview,
    read_item,
    read_shots,
    understand,
)
from trueodds.files.answers import Answers
from trueodds.files.cells import few
from trueodds.files.names import listed
from trueodds.files.presets import NATIVE, PRESETS
from trueodds.files.scores import holds_scores
from trueodds.files.understand import SAMPLE, SAMPLE_BYTES, unread
from trueodds.question import Example, Question

STDIN = Path("-")


@dataclass(slots=True)
class OpenFile:
    """A file whose columns and answers are understood."""

    source: Source
    columns: Columns

    @property
    def name(self) -> str:
        return self.source.name or str(self.source.path)

    def items(self) -> list[Item]:
        placed = self.source.placed(0, self.columns.names())
        return [read_item(row, self.columns, place) for place, row in placed]

    def told(self) -> str:
        """What is taken for what, and what is not read."""
        first = few(self.source.rows(), SAMPLE, SAMPLE_BYTES)
        sample = [row for row in first if isinstance(row, dict)]
        left = unread(self.columns, sample)
        return str(self.columns) + (f"; not read: {listed(left)}" if left else "")

    def preview(self) -> str:
        return f"{self.told()}\n{preview(self.source, self.columns)}"

    def is_plain(self) -> bool:
        """Whether it is of this project's own layout, whole: nothing about it had to be found."""
        return self.columns.layout == NATIVE and "not read" not in self.told()


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the caller says that files are to be read, and whether to show that and no more."""

    wanted: Wanted
    dialect: Dialect
    dry_run: bool = False

    def of_task(self, column: str | None) -> "FileOptions":
        """With a column that holds each row's task."""
        return replace(self, wanted=replace(self.wanted, task=column))

    def open(self, path: Path, stack: ExitStack, *, answers: bool = True) -> OpenFile:
        """A file, or standard input, which is copied: files are read more than once.

        Without ``answers`` they are looked at only where the caller says what they are. Raises
        FileError.
        """
        return self.understood(self.source(path, stack), answers=answers)

    def are_scores(self, source: Source) -> bool:
        """Whether rows are scores. Who says where the question is has questions."""
        wanted = self.wanted
        told = wanted.layout or wanted.question or wanted.options or wanted.classes
        return not told and holds_scores(source)

    def understood(self, source: Source, *, answers: bool = True) -> OpenFile:
        """The same of a file that is open already."""
        wanted = self.wanted
        if not answers and wanted.answer is None and wanted.answers is None:
            wanted = replace(wanted, answer="")
        return OpenFile(source, understand(source, wanted))

    def shots(
        self,
        path: Path | None,
        stack: ExitStack,
        asked: Columns | None = None,
        most: int | None = None,
    ) -> list[Example]:
        """Worked examples. They are in the layout of what is asked, or in one of their own, and
        where their answers are uncertain alone they are what those of the questions are.
        """
        if path is None:
            return []
        source = self.source(path, stack)
        wanted = replace(self.wanted, task=None, id="")
        if asked is not None and asked.answers is not None and asked.layout != NATIVE:
            wanted = replace(wanted, answers=wanted.answers or asked.answers)
        return read_shots(source, understand(source, wanted), most)

    def source(self, path: Path, stack: ExitStack) -> Source:
        """A file that is not understood yet. Raises FileError."""
        if path != STDIN:
            return open_source(path, self.dialect)
        kind = ".jsonl" if self.dialect.delimiter is None else ".csv"
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        copy = Path(folder, f"stdin{kind}")
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return open_source(copy, self.dialect, "standard input")


def check_stdin(questions: Path | None, shots: Path | None) -> None:
    """Refuses both from stdin, which can be read once."""
    if questions == shots == STDIN:
        raise typer.BadParameter("questions and shots cannot both come from stdin")


def examples(file: OpenFile) -> list[Example]:
    """The questions of a file. An answer that is no option is left out, and that is told.

    Raises FileError where a row is no question.
    """
    found, unusable = _questions(file)
    _tell(unusable)
    return [Example(question, item.answer) for item, question in found]


def lines_of(path: Path) -> list[str]:
    """The lines of a file, or of standard input. Raises typer.BadParameter."""
    try:
        content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise typer.BadParameter(f"{path} cannot be read: {why}") from error
    # Not at all that Python takes for an end: JSON may hold some of these in a text.
    return text.split("\n")


def labelled(file: OpenFile) -> list[Example]:
    """As ``examples``, without the questions whose answer is no option: they say nothing to what
    learns from answers. Raises FileError where none is left.
    """
    found, unusable = _questions(file)
    _tell(unusable, ", and their rows are left out")
    if len(unusable) == len(found):
        raise FileError(f"{file.name}: none of its answers is usable")
    return [Example(question, item.answer) for item, question in found if item.unusable is None]


def _questions(file: OpenFile) -> tuple[list[tuple[Item, Question]], list[Item]]:
    """All, and those whose answer is not usable."""
    if not file.is_plain():
        say(file.told())
    found = []
    for item in file.items():
        if item.question is None:
            raise FileError(f"{file.name}, {item.place}: {item.error}")
        found.append((item, item.question))
    return found, [item for item, _ in found if item.unusable is not None]


def _tell(unusable: list[Item], so: str = "") -> None:
    if unusable:
        tell_unusable(len(unusable), f"{unusable[0].place}: {unusable[0].unusable}", so)


def _options(*, short: bool, dry_run: bool) -> dict[str, tuple[Any, Any]]:
    """Name, annotation and default of each option; ``short`` adds names without -column."""

    def column(name: str, text: str) -> Any:
        names = [f"--{name}-column", *([f"--{name}"] if short else [])]
        metavar = "COLUMN[,COLUMN…]" if name == "options" else "COLUMN"
        return Annotated[str | None, typer.Option(*names, metavar=metavar, help=text)]

    found: dict[str, tuple[Any, Any]] = {
        "layout": (
            Annotated[
                str | None,
                typer.Option(help=f"The file's: {', '.join([NATIVE, *PRESETS])}; else found."),
            ],
            None,
        ),
        "question_column": (column("question", "The column of the question."), None),
        "options_column": (column("options", "Of the options: one, or one each."), None),
        "answer_column": (column("answer", 'Of the right option; "": none.'), None),
        "passage_column": (column("passage", 'Of the text before; "": none.'), None),
        "id_column": (column("id", 'Copied to the output; "": none.'), None),
        "labels": (
            Annotated[
                str | None,
                typer.Option(metavar="A,B,…", help="The options of every row: classes, yes,no."),
            ],
            None,
        ),
        "answers": (
            Annotated[Answers | None, typer.Option(help="What the answers are; else found.")],
            None,
        ),
        "delimiter": (
            Annotated[str | None, typer.Option(help="Between columns: a character, or tab.")],
            None,
        ),
        "quoting": (
            Annotated[
                Literal["minimal", "none"] | None,
                typer.Option(help="none: quotes in CSV are text."),
            ],
            None,
        ),
        "encoding": (Annotated[str | None, typer.Option(help="Such as latin-1; UTF-8.")], None),
    }
    if dry_run:
        text = "Show how the file is understood, and do no more."
        found["dry_run"] = (Annotated[bool, typer.Option("--dry-run", help=text)], False)
    return found


def file_options(*, short: bool = False, dry_run: bool = True) -> Callable[[Command], Command]:
    """Gives a command the options for reading files: its parameter ``files`` gets them."""
    return takes("files", _options(short=short, dry_run=dry_run), _told)


def _told(told: dict[str, Any]) -> FileOptions:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(told["delimiter"], told["delimiter"])
    if delimiter is not None and len(delimiter) != 1:
        raise typer.BadParameter("is one character, or tab", param_hint="--delimiter")
    classes = [each.strip() for each in (told["labels"] or "").split(",") if each.strip()]
    if told["labels"] is not None and len(classes) < 2:  # noqa: PLR2004 (a choice)
        raise typer.BadParameter("are at least two, with commas", param_hint="--labels")
    return FileOptions(
        Wanted(
            question=told["question_column"],
            options=told["options_column"].split(",") if told["options_column"] else (),
            answer=told["answer_column"],
            passage=told["passage_column"],
            id=told["id_column"],
            layout=told["layout"],
            answers=told["answers"],
            classes=classes,
        ),
        Dialect(delimiter, told["quoting"], told["encoding"]),
        told.get("dry_run", False),
    )
