"""What is answered: options scored, and answer sets."""

from dataclasses import dataclass
from enum import Enum


class AnswerSetMethod(Enum):
    """How the calibrated probabilities become a set of options."""

    LAC = "lac"
    """Every option whose probability is at least 1 less the threshold."""
    APS = "aps"
    """The likeliest options, as many as it takes to hold the threshold between them."""


@dataclass(frozen=True, slots=True)
class AnswerSetRule:
    """What makes an answer set: a method and its threshold, in [0, 1]."""

    method: AnswerSetMethod
    threshold: float


@dataclass(frozen=True, slots=True)
class OptionScore:
    """How likely an option is.

    ``logprob`` is ln p(option | prompt), raw and over the whole vocabulary, in nats; at most 0.
    It is -inf where the model rules the option out. ``score`` is what the normalization makes of
    it. ``probability`` and ``calibrated_probability`` are over the options, and each sums to
    one. ``tokens`` and ``bytes`` are the option's length. ``unconditional_logprob`` is for PMI,
    and ``variants`` are all ways to write the option that were summed. ``greedy`` is whether
    greedy decoding would write it.
    """

    label: str
    logprob: float
    probability: float
    calibrated_probability: float
    score: float
    tokens: int
    bytes: int
    unconditional_logprob: float | None = None
    variants: tuple[str, ...] = ()
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class TopToken:
    """A token that the model might have gone on with; ``logprob`` in nats."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Identity:
    """What gave an answer: the same identity gives the same scores, but for rounding.

    The revisions are hashes: of weights, configuration and adapter; of tokenizer and chat
    template. ``format_version`` is that of the built-in formats' wording.
    """

    model_revision: str
    tokenizer_revision: str
    format_version: int
    engine: str
    dtype: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: its options scored, in the question's order.

    ``choice`` is the index of the likeliest option once calibrated, from 0; the first of equals.
    ``confidence`` and ``calibrated_confidence`` are the probability of the choice before and
    after the calibrator, in (0, 1]; they are equal where ``calibrator`` is None.
    ``format_probability`` is how likely the model answers in this format at all, and
    ``option_mass`` how much of the probability of what follows the options hold; both in [0, 1].
    ``abstained`` is whether the option mass or the calibrated confidence is below the least that
    was asked for. ``entropy`` is that of the answer distribution, in nats. ``calibrator`` names
    the one that was applied. ``permutations`` are the orders that were averaged, ``label_prior``
    is what was divided out. ``answer_set`` are the options of the answer set, as indices, the
    likeliest first; empty where none was asked for, and it may be with LAC. ``low_option_mass``
    is whether all that was read holds less than 0.01 of the probability: the model would not
    answer so. ``raw_because`` says in words why no calibrator was applied; else it is empty.
    ``calibration_stale`` is whether the service's store of calibrators is away: another calibrator
    may have become active meanwhile. ``receipt`` is what ``record_outcomes`` needs of the answer,
    where it was asked for. ``kept`` is whether the service keeps the answer under its question's
    ``answer_id``, and None without one: where its store is away, it does not.

    ``prompt_tokens`` are those of the question's prompts, in every order that it was asked in. The
    engine had ``cached_tokens`` of them in its cache; ``cost`` is that of the others, each by the
    price that the server's configuration gives the model, 1 where it gives none.

    In a cascade, ``answered_by`` is the model whose answer this is, and all else that is told is
    that model's but for tokens and ``cost``, which are those of all models that were asked.
    ``cascade_calibrator`` names the one whose thresholds decided; where none held, it is None and
    ``skipped_because`` says in words why the last model alone was asked. For a model, all three say
    nothing.
    """

    options: tuple[OptionScore, ...]
    choice: int
    confidence: float
    calibrated_confidence: float
    calibrator: str | None
    format_probability: float
    option_mass: float
    entropy: float
    abstained: bool
    identity: Identity
    prompt_tokens: int
    top_tokens: tuple[TopToken, ...] = ()
    permutations: tuple[tuple[int, ...], ...] = ()
    label_prior: tuple[float, ...] = ()
    answer_set: tuple[int, ...] = ()
    low_option_mass: bool = False
    raw_because: str = ""
    calibration_stale: bool = False
    receipt: bytes = b""
    answered_by: str | None = None
    cascade_calibrator: str | None = None
    skipped_because: str = ""
    cached_tokens: int = 0
    cost: float = 0.0
    kept: bool | None = None

    @property
    def calibrated(self) -> bool:
        """Whether a calibrator was applied."""
        return self.calibrator is not None
