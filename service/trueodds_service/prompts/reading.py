"""How an answer is read: the format, and what is made of the options' logprobs."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from trueodds_service.prompts.formats import PAREN, Format
from trueodds_service.prompts.question import (
    ChatPrompt,
    Kind,
    Prompt,
    Question,
    TextPrompt,
    TokenIdPrompt,
)


class Normalization(StrEnum):
    """What makes options of different lengths comparable."""

    SUM = "sum"
    TOKENS = "tokens"
    BYTES = "bytes"
    CHARACTERS = "characters"
    PMI = "pmi"


class OrderCorrection(StrEnum):
    """What is done about a model's liking for the place or the label of an option."""

    NONE = "none"
    CYCLIC = "cyclic"
    PRIOR = "prior"


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to ask and to read; part of a calibrator's scope.

    ``unconditional`` is the prompt without the question, for PMI. ``variants`` sums each option
    with and without a space before it. ``label_prior`` is for PRIOR: one probability a label,
    or empty to estimate it. ``redrawn`` are labels that chance has given to the options of choices.
    """

    format: Format = PAREN
    normalization: Normalization = Normalization.SUM
    unconditional: Prompt | None = None
    variants: bool = False
    order: OrderCorrection = OrderCorrection.NONE
    label_prior: tuple[float, ...] = ()
    redrawn: bool = False

    def key(self, question: Question | None = None) -> str:
        """Names the way of reading in a scope: its format, and what departs from the defaults.

        Two ways whose scores a calibrator could not share have different keys. Questions that
        bring a prompt of their own are read in another way than those that the service renders,
        and so is each kind of decision.
        """
        if question is None:
            return self._key(None, None)
        return self._key(question.kind, question.prompt)

    def key_of(self, kind: Kind) -> str:
        """The same for the decisions of a kind."""
        return self._key(kind, None)

    def _key(self, kind: Kind | None, prompt: Prompt | None) -> str:
        parts = [self.format.key]
        if kind is not None:
            parts.insert(0, kind.value)
        if prompt is not None:
            parts.insert(0, _KINDS[type(prompt)])
        if self.normalization is not Normalization.SUM:
            parts.append(self.normalization.value + _digest(self.unconditional))
        if self.variants:
            parts.append("variants")
        # The labels of other decisions are answers by themselves: nothing is done to them.
        if kind not in (None, Kind.CHOICE):
            return "+".join(parts)
        if self.redrawn:
            parts.append("redrawn")
        if self.order is not OrderCorrection.NONE:
            parts.append(self.order.value + _digest(self.label_prior))
        return "+".join(parts)

    def is_way(self, key: str) -> bool:
        """Whether ``key`` is this reading's, of questions with or without prompts of their own."""
        kind, _, rest = key.partition("+")
        return (rest if kind in {*_KINDS.values(), *Kind} else key) == self.key()


_KINDS: dict[type[Prompt], str] = {
    TextPrompt: "prompt",
    TokenIdPrompt: "tokens",
    ChatPrompt: "chat",
}


def _digest(value: object) -> str:
    return f"-{blake2b(repr(value).encode(), digest_size=8).hexdigest()}" if value else ""
