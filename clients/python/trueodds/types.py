"""The nouns of the client: what is asked, and what is answered."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Format(Enum):
    """How the model writes its answer, and so where it is read."""

    LETTER = "letter"
    """``Answer: A``"""
    PAREN = "paren"
    """``Answer: (A)``"""


class Method(Enum):
    """How a calibrator's temperature is found."""

    IDENTITY = "identity"
    """T = 1."""
    CONSTANT = "constant"
    """A temperature of your own; 2.5 unless told."""
    TEMPERATURE = "temperature"
    """The T with the least negative log-likelihood of the right answers; needs them."""
    TEACHER_KL = "teacher_kl"
    """The T that brings the model nearest to its pre-trained counterpart; needs no answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question with at least two options.

    ``options`` and ``labels`` take any sequence of strings and become tuples. ``passage`` is
    text to read before the question. ``labels`` are what the options are called in the prompt,
    one each: A, B, C, … unless told. Raises TypeError and ValueError, which name the field.
    """

    text: str
    options: Sequence[str]
    passage: str = ""
    labels: Sequence[str] | None = None

    def __post_init__(self) -> None:
        _check_text(self.text, "text")
        _check_text(self.passage, "passage")
        object.__setattr__(self, "options", _texts(self.options, "options"))
        if self.labels is None:
            return
        object.__setattr__(self, "labels", _texts(self.labels, "labels"))
        if len(self.labels) != len(self.options):
            raise ValueError(f"labels: {len(self.labels)} for {len(self.options)} options")


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
        if isinstance(self.answer, bool) or not hasattr(self.answer, "__index__"):
            raise TypeError(f"answer has to be an index from 0, not {self.answer!r}")
        object.__setattr__(self, "answer", operator.index(self.answer))
        last = len(self.question.options) - 1
        if not 0 <= self.answer <= last:
            raise ValueError(f"answer: {self.answer} is no option; from 0 to {last}")


@dataclass(frozen=True, slots=True)
class OptionScore:
    """How likely an option is.

    ``logprob`` is ln p(label | prompt), raw and over the whole vocabulary, in nats; at most 0.
    It is -inf where the model rules the option out. ``probability`` and
    ``calibrated_probability`` are over the options, and each sums to one.
    """

    label: str
    logprob: float
    probability: float
    calibrated_probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: its options scored, in the question's order.

    ``choice`` is the index of the likeliest option, from 0; the first of equals.
    ``confidence`` and ``calibrated_confidence`` are the probability of the choice before and
    after the calibrator, in (0, 1]; they are equal where ``calibrator`` is None.
    ``format_probability`` is how likely the model answers in this format at all, and
    ``option_mass`` how much of the next token's probability the options hold; both in [0, 1].
    ``calibrator`` names the one that was applied. ``model_revision`` is a hash of the weights,
    ``format_version`` the version of the prompt's wording.
    """

    options: tuple[OptionScore, ...]
    choice: int
    confidence: float
    calibrated_confidence: float
    calibrator: str | None
    format_probability: float
    option_mass: float
    model_revision: str
    format_version: int
    prompt_tokens: int

    @property
    def calibrated(self) -> bool:
        """Whether a calibrator was applied."""
        return self.calibrator is not None


@dataclass(frozen=True, slots=True)
class Calibrator:
    """An immutable fitted temperature, and the scope that it was fitted for.

    The calibrated distribution is softmax(logprobs / ``temperature``). ``at_bound`` or
    ``undetermined`` mean that the data did not settle the temperature: do not trust it.
    ``task`` is empty for a model's default. ``options`` is their number, ``items`` how many
    questions it was fitted on. ``metrics`` were measured on the items of the fit.
    """

    name: str
    model: str
    model_revision: str
    task: str
    format: Format
    options: int
    method: Method
    temperature: float
    at_bound: bool
    undetermined: bool
    teacher: str | None
    items: int
    created: datetime
    active: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the service has; ``ready`` once its engine answers.

    ``max_prompt_tokens`` is 0 until then. ``max_items`` bounds the items of a fit; batches of
    questions are cut to it by the client.
    """

    name: str
    ready: bool
    revision: str
    teacher: str | None
    formats: tuple[Format, ...]
    max_prompt_tokens: int
    max_options: int
    max_items: int
    engine: str
    dtype: str


def _texts(value: Sequence[str], name: str) -> tuple[str, ...]:
    """A string is a sequence of strings as well, but never what was meant."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name} has to be a list of strings, not {value!r}")
    texts = tuple(value)
    for index, text in enumerate(texts):
        _check_text(text, f"{name}[{index}]")
    return texts


def _check_text(value: str, name: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} has to be a string, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: half a surrogate pair is no text") from error
