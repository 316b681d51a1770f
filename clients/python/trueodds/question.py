"""What is asked: questions, worked examples, and prompts of your own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trueodds._numbers import whole


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt as text. With ``special_tokens``, their names in it mean them, and none is added."""

    text: str
    special_tokens: bool = False

    def __post_init__(self) -> None:
        _check_text(self.text, "text")


@dataclass(frozen=True, slots=True)
class TokenIds:
    """A prompt as tokens of the model."""

    ids: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _ids(self.ids, "ids"))


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation, through the model's chat template.

    ``messages`` are ``{"role": "user", "content": "…"}``. The assistant's turn begins with
    ``answer_prefix``, and the option is read after it.
    """

    messages: Sequence[Mapping[str, str]]
    answer_prefix: str = ""

    def __post_init__(self) -> None:
        messages = tuple(self.messages)
        for index, message in enumerate(messages):
            if set(message) != {"role", "content"}:
                raise ValueError(f"messages[{index}] has to have role and content, nothing else")
            for name, value in message.items():
                _check_text(value, f"messages[{index}].{name}")
        _check_text(self.answer_prefix, "answer_prefix")
        object.__setattr__(self, "messages", messages)


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question with at least two options, or one after a ``prompt``.

    ``options`` and ``labels`` take any sequence of strings and become tuples. ``passage`` is
    text to read before the question. ``labels`` are what the options are called in the prompt,
    one each: A, B, …, Z, AA, AB, … unless told. Instead of ``text`` and ``passage`` there may be a
    whole ``prompt``, after which the options are read; after one of token ids, ``option_ids`` are
    the options' tokens, one sequence each. Where it is scored, its answer is kept by the service
    under ``answer_id``, a name of yours, for ``record_outcomes``; printable, of at most 128
    characters. Raises TypeError and ValueError, which name the field.
    """

    text: str = ""
    options: Sequence[str] = ()
    passage: str = ""
    labels: Sequence[str] | None = None
    prompt: str | Text | TokenIds | Chat | None = None
    option_ids: Sequence[Sequence[int]] | None = None
    answer_id: str = ""

    def __post_init__(self) -> None:
        _check_text(self.text, "text")
        _check_text(self.passage, "passage")
        _check_text(self.answer_id, "answer_id")
        if self.option_ids is not None:
            ids = tuple(_ids(each, f"option_ids[{i}]") for i, each in enumerate(self.option_ids))
            object.__setattr__(self, "option_ids", ids)
        if self.option_ids is not None and not self.options:
            object.__setattr__(self, "options", ("",) * len(self.option_ids))
        object.__setattr__(self, "options", _texts(self.options, "options"))
        for name, values in (("labels", self.labels), ("option_ids", self.option_ids)):
            if values is not None and len(values) != len(self.options):
                raise ValueError(f"{name}: {len(values)} for {len(self.options)} options")
        if self.labels is not None:
            object.__setattr__(self, "labels", _texts(self.labels, "labels"))


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the index of its right option, from 0; None where it is not known.

    Raises TypeError and ValueError when ``answer`` is no index of an option.
    """

    question: Question
    answer: int | None = None

    def __post_init__(self) -> None:
        if self.answer is None:
            return
        object.__setattr__(self, "answer", whole(self.answer, "answer", "an index from 0"))
        last = len(self.question.options) - 1
        if not 0 <= self.answer <= last:
            raise ValueError(f"answer: {self.answer} is no option; from 0 to {last}")


def _texts(value: Sequence[str], name: str) -> tuple[str, ...]:
    """A string is a sequence of strings as well, but never what was meant."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} has to be a list of strings, not {value!r}")
    texts = tuple(value)
    for index, text in enumerate(texts):
        _check_text(text, f"{name}[{index}]")
    return texts


def _ids(value: Sequence[int], name: str) -> tuple[int, ...]:
    try:
        ids = tuple(whole(each, name) for each in value)
    except TypeError as error:
        raise TypeError(f"{name} has to be a list of token ids") from error
    if any(not 0 <= each < _TOO_LARGE for each in ids):
        raise ValueError(f"{name}: a token id is from 0 to {_TOO_LARGE - 1}")
    return ids


_TOO_LARGE = 2**32


def _check_text(value: str, name: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} has to be a string, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: half a surrogate pair is no text") from error
