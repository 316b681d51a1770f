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


class Method(Enum):
    """How a calibrator is fitted."""

    IDENTITY = "identity"
    """T = 1."""
    CONSTANT = "constant"
    """A temperature of your own; 2.5 unless told."""
    TEMPERATURE = "temperature"
    """The T with the least negative log-likelihood of the right answers; needs them."""
    TEACHER_KL = "teacher_kl"
    """The T that brings the model nearest to its pre-trained counterpart; needs no answers."""
    AUTO = "auto"
    """Chooses among those that the data allow."""
    AGREEMENT_KL = "agreement_kl"
    """TEACHER_KL over the items on which both models choose the same option."""
    TEACHER_POOLED = "teacher_pooled"
    """TEACHER_KL drawn towards the temperatures of the model's other tasks."""
    KDE = "kde"
    """The densities of the confidence of right and of wrong answers; needs answers."""
    VECTOR = "vector"
    """A scale and a bias for each label; needs answers."""
    MATRIX = "matrix"
    """Dirichlet calibration; needs answers."""
    ISOTONIC = "isotonic"
    """A rising step function of the confidence; needs answers."""
    BETA = "beta"
    """Beta calibration of the confidence; needs answers."""
    SCALING_BINNING = "scaling_binning"
    """Temperature scaling, then the mean of each bin; needs answers."""
    CASCADE = "cascade"
    """For a cascade, the least confidence at which its first model answers; needs answers."""


class BiasCorrection(Enum):
    """What is taken off the scores of the labels before the method."""

    NONE = "none"
    BATCH = "batch"
    """The mean logprob of each label over the items."""
    CONTEXTUAL = "contextual"
    """The logprobs of the labels after questions without content."""


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
        if isinstance(self.answer, bool) or not hasattr(self.answer, "__index__"):
            raise TypeError(f"answer has to be an index from 0, not {self.answer!r}")
        object.__setattr__(self, "answer", operator.index(self.answer))
        last = len(self.question.options) - 1
        if not 0 <= self.answer <= last:
            raise ValueError(f"answer: {self.answer} is no option; from 0 to {last}")


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores that you have of a question's options, for a fit or an evaluation.

    ``logprobs`` are the model's, as ``OptionScore.score`` tells them, and ``teacher_logprobs``
    the teacher's, where the method needs one; instead of either there may be probabilities, in
    [0, 1]. ``answer`` is the index of the right option, from 0; None where it is not known.
    ``teacher_format_probability`` is how likely the teacher answers in the format, in [0, 1],
    where it is known.

    Of another service's answer that tells its ``confidence`` alone, in [0, 1], there is nothing
    else to say but whether it is ``correct``.
    """

    logprobs: Sequence[float] = ()
    answer: int | None = None
    teacher_logprobs: Sequence[float] = ()
    teacher_format_probability: float | None = None
    probabilities: Sequence[float] = ()
    teacher_probabilities: Sequence[float] = ()
    confidence: float | None = None
    correct: bool | None = None


@dataclass(frozen=True, slots=True)
class CalibratedScores:
    """What a calibrator makes of scores that you have; as in ``Answer``.

    Of a confidence alone there are no probabilities, and ``choice`` is None.
    """

    probabilities: tuple[float, ...]
    calibrated_probabilities: tuple[float, ...]
    choice: int | None
    confidence: float
    calibrated_confidence: float
    calibrator: str = ""
    calibration_stale: bool = False


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

    ``prompt_tokens`` are those of the question's prompts, in every order that it was asked in.

    In a cascade, ``answered_by`` is the model whose answer this is, and all else that is told is
    that model's but for ``prompt_tokens``, which are those of all models that were asked.
    ``cascade_calibrator`` names the one whose threshold decided; where none held, it is None and
    ``skipped_because`` says in words why the first model was not asked. For a model, all three say
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
    kept: bool | None = None

    @property
    def calibrated(self) -> bool:
        """Whether a calibrator was applied."""
        return self.calibrator is not None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method that AUTO compared; lower scores are better.

    ``excluded`` says why it was left out, and is empty where it was not; ``score`` and
    ``standard_error`` are None where it was not measured.
    """

    method: Method
    score: float | None = None
    standard_error: float | None = None
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """How AUTO came to its method: by what ``criterion``, why, and what was compared."""

    criterion: str
    reason: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Prior:
    """What the model's other tasks tell of a temperature: ln T is normal."""

    mean: float
    standard_deviation: float
    calibrators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibrator:
    """An immutable fitted record, and the scope that it was fitted for.

    Where the method ends in one ``temperature``, the calibrated distribution is
    softmax(logprobs / ``temperature``); else that is None. ``parameters`` are all that applying
    it takes. ``at_bound`` or ``undetermined`` mean that the data did not settle the temperature:
    do not trust it. ``degenerate`` says so in words, of a ``fallback`` too, and is empty where the
    data determined it. ``fallback`` says what was done instead, and why, where the items were too
    few. ``keeps_choice`` is whether it never changes which option is the likeliest.

    ``task`` is empty for a model's default. ``reading`` names the way of reading, such as
    "paren" or "text+bytes", or is "confidence" of confidences alone; ``options`` is their number,
    0 of any. ``items`` is how many questions it was
    fitted on, ``labelled`` how many of these have an answer, and ``data_hash`` that of their
    scores and answers. ``outcomes_of`` names the calibrator whose answers' outcomes they were, if
    they were. ``metrics`` were measured on the items of the fit. ``selection`` is
    AUTO's, ``prior`` TEACHER_POOLED's. ``first_calibrator`` is CASCADE's: what the threshold was
    measured with, and holds for.
    """

    name: str
    model: str
    model_revision: str
    task: str
    reading: str
    options: int
    method: Method
    temperature: float | None
    at_bound: bool
    undetermined: bool
    teacher: str | None
    items: int
    created: datetime
    active: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    format_version: int = 0
    parameters: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    keeps_choice: bool = False
    bias_correction: BiasCorrection = BiasCorrection.NONE
    fallback: str = ""
    degenerate: str = ""
    selection: Selection | None = None
    labelled: int = 0
    data_hash: str = ""
    prompts_hash: str = ""
    outcomes_of: str | None = None
    teacher_revision: str | None = None
    teacher_reading: str | None = None
    prior: Prior | None = None
    first_calibrator: str | None = None


class ModelState(Enum):
    """Whether a model answers, and if not, whether it will."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"
    """Its engine was lost, and is being replaced."""
    FAILED = "failed"
    """It cannot come up as it is configured."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the service has; ``ready`` once its engine answers.

    ``state_cause`` is why it is not ready, where there is more to say than ``state``.
    ``max_prompt_tokens`` is 0 until then. ``base`` is the model over whose weights an adapter
    runs. ``max_items`` bounds a message's questions; batches of
    questions are cut to it by the client. ``prefix_token_id`` is the token before a text that
    has nothing before it, None where the tokenizer has none. ``calibration_stale_seconds`` is how
    long ago the service last knew which calibrators are active, while its store is away; else 0.
    ``cascade`` are the models that answer under this name, in their order; none of a model.
    """

    name: str
    ready: bool
    revision: str
    teacher: str | None
    base: str | None
    tokenizer_revision: str
    max_prompt_tokens: int
    max_options: int
    max_items: int
    engine: str
    dtype: str
    prefix_token_id: int | None = None
    state: ModelState = ModelState.STARTING
    state_cause: str = ""
    calibration_stale_seconds: float = 0.0
    cascade: tuple[str, ...] = ()


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
        ids = tuple(operator.index(each) for each in value)
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
