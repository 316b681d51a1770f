"""How a question becomes a prompt, and where its answer is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from trueodds.question import Chat, Text, TokenIds


class Format(Enum):
    """How the model writes its answer, and so where it is read."""

    LETTER = "letter"
    """``Answer: A``"""
    PAREN = "paren"
    """``Answer: (A)``"""
    PAREN_OPTIONS = "paren_options"
    """``Answer: (A)``, with the options shown as ``(A) Paris`` as well."""
    TEXT = "text"
    """``Answer: Paris``: the text of each option is read."""


@dataclass(frozen=True, slots=True)
class CustomFormat:
    """A format of your own. What is left out is as in ``Format.LETTER``.

    ``question`` is the prompt: ``{text}``, ``{passage}`` (with a line break after it, or
    nothing) and ``{options}``, the option lines. ``option`` is such a line: ``{label}`` and
    ``{text}``. Every answer begins with ``identifier``, whose probability is the format
    probability. ``answer`` follows, and holds one of ``{label}`` and ``{text}``, which is what
    is read. ``separator`` ends a worked example.
    """

    question: str | None = None
    option: str | None = None
    identifier: str | None = None
    answer: str | None = None
    separator: str | None = None


class Normalization(Enum):
    """What the answer distribution is the softmax of."""

    SUM = "sum"
    """The options' logprobs."""
    TOKENS = "tokens"
    """The logprob for each token."""
    BYTES = "bytes"
    """The logprob for each byte of the option."""
    CHARACTERS = "characters"
    """The logprob for each character of the option, as lm-eval's acc_norm."""
    PMI = "pmi"
    """The logprob less that after the unconditional prompt."""


class OrderCorrection(Enum):
    """What is done about a model's liking for the place or the label of an option."""

    NONE = "none"
    CYCLIC = "cyclic"
    """Ask with every cyclic permutation of the options, and average."""
    PRIOR = "prior"
    """PriDe: divide by the model's prior over the labels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a question becomes a prompt, and how its answer is read.

    ``unconditional_prompt`` is the prompt without the question, for PMI. ``sum_variants`` reads
    each option with and without a space before it. ``label_prior`` is for PRIOR: one probability
    a label, as an earlier answer gave it; estimated from the questions when left out.
    """

    format: Format | CustomFormat = Format.PAREN
    normalization: Normalization = Normalization.SUM
    unconditional_prompt: "str | Text | TokenIds | Chat | None" = None
    sum_variants: bool = False
    order_correction: OrderCorrection = OrderCorrection.NONE
    label_prior: Sequence[float] = ()
