"""Messages → questions, checked: every error names its field."""

from collections.abc import Sequence

from trueodds.v1 import question_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, NotServed
from trueodds_service.prompts.formats import Format
from trueodds_service.prompts.question import Question, Shot, letters
from trueodds_service.rpc.status import field

_MAX_LABEL = 64
_MAX_TASK = 200

_FORMATS = {
    pb.FORMAT_UNSPECIFIED: Format.PAREN,
    pb.FORMAT_LETTER: Format.LETTER,
    pb.FORMAT_PAREN: Format.PAREN,
}
FORMAT_MESSAGES = {Format.LETTER: pb.FORMAT_LETTER, Format.PAREN: pb.FORMAT_PAREN}


def parse_format(value: "pb.Format.ValueType", name: str) -> Format:
    """Raises InvalidInput, or NotServed for TEXT."""
    if value == pb.FORMAT_TEXT:
        raise NotServed("FORMAT_TEXT is in the contract and not served by this version")
    if value not in _FORMATS:
        raise InvalidInput(name, f"{value} is not a format")
    return _FORMATS[value]


def parse_task(task: str, name: str) -> str:
    """A task is printable and of a sensible length; what it says is the caller's."""
    if len(task) > _MAX_TASK:
        raise InvalidInput(name, f"has {len(task)} characters; at most {_MAX_TASK}")
    if not task.isprintable() or task != task.strip():
        raise InvalidInput(name, "has to be printable, without space around it")
    return task


def parse_question(message: pb.Question, limits: Limits) -> Question:
    """Raises InvalidInput; its field is relative to the question."""
    if not message.text.strip():
        raise InvalidInput("text", "is required")
    count = len(message.options)
    if not 2 <= count <= limits.max_options:  # noqa: PLR2004 (a choice needs two)
        raise InvalidInput("options", f"has {count} options; from 2 to {limits.max_options}")
    for index, option in enumerate(message.options):
        if not option.text.strip():
            raise InvalidInput(f"options[{index}].text", "is required")
    return Question(
        text=message.text,
        passage=message.passage,
        options=tuple(option.text for option in message.options),
        labels=_labels(message.options),
    )


def parse_shots(messages: Sequence[pb.Shot], limits: Limits, name: str) -> tuple[Shot, ...]:
    """Raises InvalidInput."""
    if len(messages) > limits.max_shots:
        raise InvalidInput(name, f"has {len(messages)} shots; at most {limits.max_shots}")
    shots = []
    for index, message in enumerate(messages):
        with field(f"{name}[{index}]"):
            with field("question"):
                question = parse_question(message.question, limits)
            if not message.HasField("answer"):
                raise InvalidInput("answer", "is required")
            shots.append(Shot(question, parse_answer(message.answer, question)))
    return tuple(shots)


def parse_answer(answer: int, question: Question) -> int:
    """The index of an option. Raises InvalidInput."""
    if not 0 <= answer < len(question.options):
        raise InvalidInput(
            "answer", f"{answer} is no option; from 0 to {len(question.options) - 1}"
        )
    return answer


def _labels(options: Sequence[pb.Option]) -> tuple[str, ...]:
    labels = tuple(option.label for option in options)
    if not any(labels):
        if len(options) > len(letters(26)):
            raise InvalidInput("options", "more than 26 options need labels of their own")
        return letters(len(options))
    seen: set[str] = set()
    for index, label in enumerate(labels):
        name = f"options[{index}].label"
        if not label:
            raise InvalidInput(name, "is missing; label all options or none")
        if len(label) > _MAX_LABEL or not label.isprintable() or label != label.strip():
            raise InvalidInput(
                name, f"has to be printable, at most {_MAX_LABEL} long, without space around it"
            )
        if label in seen:
            raise InvalidInput(name, f"{label!r} is used twice")
        seen.add(label)
    return labels
