"""Calibrators: how one is fitted, and the record that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


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
    """For a cascade, the least confidences at which its models answer; a bound on what may be wrong
    needs answers, one on what is passed on needs none."""


class BiasCorrection(Enum):
    """What is taken off the scores of the labels before the method."""

    NONE = "none"
    BATCH = "batch"
    """The mean logprob of each label over the items."""
    CONTEXTUAL = "contextual"
    """The logprobs of the labels after questions without content."""


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
    few or told too little. ``keeps_choice`` is whether it never changes which option is the
    likeliest.

    ``task`` is empty for a model's default. ``reading`` names the way of reading, such as
    "paren" or "text+bytes", or is "confidence" of confidences alone; ``options`` is their number,
    0 of any. ``items`` is how many questions it was fitted on, ``labelled`` how many of these have
    an answer, and ``data_hash`` that of their scores and answers. ``outcomes_of`` names the
    calibrator whose answers' outcomes they were, if they were. ``metrics`` were measured on the
    items of the fit. ``selection`` is AUTO's, ``prior`` TEACHER_POOLED's. ``measured_with`` is
    CASCADE's: of each model but the last, the calibrator that the thresholds were measured with,
    and hold for.
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
    measured_with: tuple[str, ...] = ()
