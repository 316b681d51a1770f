"""What a calibrator does, measured on labelled questions: the nouns of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import Self

from trueodds import _json
from trueodds.answer import AnswerSetRule
from trueodds.calibrator import Calibrator


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, and the bounds of its 95 % interval; equal to it where there is none."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The questions whose confidence fell between two bounds.

    ``confidence`` is their mean, ``accuracy`` the share of right answers, with its 95 %
    interval (Wilson); all in [0, 1].
    """

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float
    accuracy_lower: float
    accuracy_upper: float


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What happens if only answers of at least ``min_confidence`` are given.

    ``coverage`` is the share of questions that are answered, ``risk`` that of wrong answers
    among these.
    """

    min_confidence: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One answer distribution, measured.

    ``metrics`` are by name, such as "nll", "ece" and "null_ece"; docs/calibration.md lists them.
    Bins that hold nothing are left out. ``risk_coverage`` is by falling confidence.
    """

    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    equal_width: tuple[ReliabilityBin, ...] = ()
    equal_mass: tuple[ReliabilityBin, ...] = ()
    risk_coverage: tuple[RiskCoverage, ...] = ()


@dataclass(frozen=True, slots=True)
class AbstentionRule:
    """The least confidence to answer at that keeps a risk; None where none keeps it.

    ``coverage`` and ``risk`` are measured at it; ``risk_upper_bound`` is the risk's 95 % bound.
    """

    target_risk: float
    min_confidence: float | None
    coverage: float
    risk: float
    risk_upper_bound: float


@dataclass(frozen=True, slots=True)
class AnswerSetCalibration:
    """The rule whose answer sets miss the right option with at most ``miscoverage``.

    Over the items that it comes from: the mean number of options, the share of sets that hold
    the right one, and the share of sets of one option.
    """

    miscoverage: float
    rule: AnswerSetRule
    mean_size: float
    coverage: float
    singletons: float


@dataclass(frozen=True, slots=True)
class CascadePart:
    """A model of a cascade: how many questions it was ``asked``, and how many it ``answered``.

    ``risk`` is the share of wrong ones among its answers, None where it gave none.
    ``prompt_tokens`` are those of all that it was asked, of which the engine had ``cached_tokens``
    in its cache; ``cost`` is that of the others, as of an ``Answer``.
    """

    model: str
    asked: int
    answered: int
    risk: Estimate | None
    prompt_tokens: int
    cached_tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class CascadeReport:
    """Who answers in a cascade, and what it takes.

    What was promised of all its ``parts`` but the last is a ``target_risk`` or a
    ``target_passed_on``; ``last_alone`` is the last where it is asked everything, and
    ``relative_cost`` the cost of all parts in that of it; None where that is none.
    """

    target_risk: float | None
    target_passed_on: float | None
    parts: tuple[CascadePart, ...]
    last_alone: CascadePart
    relative_cost: Estimate | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a calibrator does: the answers before and after it, and what to set.

    ``differences`` are after less before, by the name of a metric, with paired intervals.
    ``data_hash`` is that of the scores and answers that were measured on; where it is the
    calibrator's own, these are the items of the fit, which flatters. For a calibrator of a
    ``cascade``, ``before`` is its last model alone, and ``after`` the cascade.
    """

    calibrator: Calibrator
    items: int
    before: Evaluation
    after: Evaluation
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    abstentions: tuple[AbstentionRule, ...] = ()
    answer_sets: tuple[AnswerSetCalibration, ...] = ()
    data_hash: str = ""
    cascade: CascadeReport | None = None

    @property
    def in_sample(self) -> bool:
        """Whether it was measured on the items of the fit."""
        return bool(self.data_hash) and self.data_hash == self.calibrator.data_hash

    def to_json(self) -> str:
        """The report as JSON text."""
        return _json.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads back what ``to_json`` wrote. Raises ValueError, which names what is wrong."""
        return _json.loads(cls, text)
