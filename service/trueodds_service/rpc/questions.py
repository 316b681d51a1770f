"""Messages → questions, checked: every error names its field."""

from collections.abc import Sequence

from trueodds.v1 import question_pb2 as pb
from trueodds_service.config import Limits
from trueodds_service.errors import InvalidInput, field
from trueodds_service.prompts.question import Question, Shot, TokenIdPrompt, letters
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading
from trueodds_service.rpc.legible import is_legible
from trueodds_service.rpc.reading import parse_prompt

_MAX_LABEL = 64
_MAX_TASK = 200
_MAX_ANSWER_ID = 128


def parse_answer_id(message: pb.Question) -> str:
    """What the answer is to be kept by; empty where it is not. Raises InvalidInput."""
    name = message.answer_id
    if name and (len(name) > _MAX_ANSWER_ID or not is_legible(name)):
        raise InvalidInput(
            "answer_id",
            f"has to be printable, without space around it, and at most {_MAX_ANSWER_ID} "
            "characters long",
        )
    return name


def parse_task(task: str, name: str) -> str:
    """A task is printable and of a sensible length; what it says is the caller's."""
    if len(task) > _MAX_TASK:
        raise InvalidInput(name, f"has {len(task)} characters; at most {_MAX_TASK}")
    if not is_legible(task):
        raise InvalidInput(name, "has to be printable, without space around it")
    return task


class QuestionParser:
    """Checks the questions of a request: its reading and its shared options go for all.

    With ``single`` a question with a prompt of its own may have one option only.
    """

    def __init__(
        self,
        reading: Reading,
        limits: Limits,
        shared_options: Sequence[pb.Option] = (),
        *,
        single: bool = False,
    ) -> None:
        self._reading = reading
        self._limits = limits
        self._shared = shared_options
        self._single = single

    def question(self, message: pb.Question) -> Question:
        """Raises InvalidInput; its field is relative to the question."""
        if not message.HasField("prompt"):
            if not message.text.strip():
                raise InvalidInput("text", "is required")
            return self._question(message)
        for name in ("text", "passage"):
            if getattr(message, name):
                raise InvalidInput(name, "is part of the prompt where there is one")
        order = self._reading.order
        if order is OrderCorrection.CYCLIC or (
            order is OrderCorrection.PRIOR and not self._reading.label_prior
        ):
            raise InvalidInput("prompt", "the order of its options cannot be changed")
        return self._question(message)

    def shots(self, messages: Sequence[pb.Shot], name: str) -> tuple[Shot, ...]:
        """Raises InvalidInput."""
        if len(messages) > self._limits.max_shots:
            raise InvalidInput(name, f"has {len(messages)} shots; at most {self._limits.max_shots}")
        shots = []
        for index, message in enumerate(messages):
            with field(f"{name}[{index}]"):
                if message.question.HasField("prompt"):
                    raise InvalidInput("question.prompt", "a shot has a text, not a prompt")
                with field("question"):
                    question = self.question(message.question)
                if not message.HasField("answer"):
                    raise InvalidInput("answer", "is required")
                shots.append(Shot(question, parse_answer(message.answer, question)))
        return tuple(shots)

    def _question(self, message: pb.Question) -> Question:
        options = message.options or self._shared
        count = len(options)
        least = 1 if self._single and message.HasField("prompt") else 2
        if not least <= count <= self._limits.max_options:
            raise InvalidInput(
                "options", f"has {count} options; from {least} to {self._limits.max_options}"
            )
        prompt = None
        if message.HasField("prompt"):
            with field("prompt"):
                prompt = parse_prompt(message.prompt)
        in_tokens = isinstance(prompt, TokenIdPrompt)
        measures = self._reading.normalization in (Normalization.BYTES, Normalization.CHARACTERS)
        needs_text = prompt is None or (measures if in_tokens else self._reading.format.reads_text)
        for index, option in enumerate(options):
            # After a prompt of the caller's own, a line break may be all that is asked.
            if needs_text and not (option.text if prompt else option.text.strip()):
                raise InvalidInput(f"options[{index}].text", "is required")
            if in_tokens and not option.token_ids:
                raise InvalidInput(
                    f"options[{index}].token_ids", "is required after a prompt of token ids"
                )
            if option.token_ids and not in_tokens:
                raise InvalidInput(
                    f"options[{index}].token_ids", "goes with a prompt of token ids only"
                )
        return Question(
            text=message.text,
            passage=message.passage,
            options=tuple(option.text for option in options),
            labels=_labels(options),
            prompt=prompt,
            option_ids=tuple(tuple(option.token_ids) for option in options) if in_tokens else (),
        )


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
        return letters(len(options))
    seen: set[str] = set()
    for index, label in enumerate(labels):
        name = f"options[{index}].label"
        if not label:
            raise InvalidInput(name, "is missing; label all options or none")
        if len(label) > _MAX_LABEL or not is_legible(label):
            raise InvalidInput(
                name, f"has to be printable, at most {_MAX_LABEL} long, without space around it"
            )
        if label in seen:
            raise InvalidInput(name, "is used twice")
        seen.add(label)
    return labels
