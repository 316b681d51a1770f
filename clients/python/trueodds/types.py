"""The nouns of the client: what is asked, and what is answered."""

from collections.abc import Mapping
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

    ``labels`` are what the options are called in the prompt: A, B, C, … unless told.
    """

    text: str
    options: tuple[str, ...]
    passage: str = ""
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the index of its right option, from 0; None where it is not known."""

    question: Question
    answer: int | None = None


@dataclass(frozen=True, slots=True)
class OptionScore:
    """How likely an option is.

    ``logprob`` is ln p(label | prompt), raw and over the whole vocabulary, in nats; at most 0.
    ``probability`` and ``calibrated_probability`` are over the options, and each sums to one.
    """

    label: str
    logprob: float
    probability: float
    calibrated_probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question; ``choice`` indexes the likeliest option.

    ``confidence`` and ``calibrated_confidence`` are the probability of the choice before and
    after the calibrator, in (0, 1]; they are equal where ``calibrator`` is None.
    ``format_probability`` is how likely the model answers in this format at all, and
    ``option_mass`` how much of the next token's probability the options hold; both in [0, 1].
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

    ``at_bound`` or ``undetermined`` mean that the data did not settle the temperature: do not
    trust it. ``task`` is empty for a model's default.
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

    ``max_prompt_tokens`` is 0 until then.
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
