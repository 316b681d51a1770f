"""The options of calls, each written once: what may be left out, what it means, and its default.

Every call that takes them does so as keywords, ``client.score(question, model="m", shots=shots)``.
Those that many calls share are kept in one value:

    careful: ScoreOptions = {"shots": shots, "min_confidence": 0.9}
    client.score(question, model="m", **careful)
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast

from trueodds.errors import TrueoddsError
from trueodds.types import (
    Answer,
    AnswerSetRule,
    BiasCorrection,
    CustomFormat,
    Example,
    Format,
    Method,
    Reading,
)

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

OnOutcome = Callable[[int, Answer | TrueoddsError], None]
"""Called with the index of a question and its outcome, as soon as it is there."""

AnyReading = Reading | Format | CustomFormat
"""How a question is asked and its answer read; a format alone will do."""


class ReadingOptions(TypedDict, total=False):
    """What all who ask questions may say."""

    reading: AnyReading
    """How the questions are asked and their answers read."""
    shots: Sequence[Example]
    """Worked examples, shown before each question; each needs its answer."""


class ScoreOptions(ReadingOptions, total=False):
    """Of ``score``, ``score_batch`` and ``score_stream``."""

    calibrator: str | None
    """This one, rather than the active one of the task or of the model."""
    min_option_mass: float
    """An answer abstains where its options hold less of the probability; in [0, 1]."""
    min_confidence: float
    """An answer abstains where its calibrated confidence is less; in [0, 1]."""
    answer_set: AnswerSetRule | None
    """The rule of the answer set to tell; it is for one named ``calibrator``."""
    require_calibrated: bool | None
    """Whether a question that no calibrator applies to is FailedPrecondition, ``NOT_CALIBRATED``,
    or is answered raw; None is as the server is configured."""
    top_tokens: int
    """How many of the likeliest tokens to tell, at most 20."""


class FitOptions(ReadingOptions, total=False):
    """Of ``fit``."""

    method: Method
    """How to fit. TEACHER_KL, AGREEMENT_KL and TEACHER_POOLED need a handful of questions and a
    teacher, CONSTANT and IDENTITY only the number of ``options``, the others answers; AUTO
    chooses."""
    teacher: str | None
    """The pre-trained model; the one of the server's configuration when left out."""
    temperature: float | None
    """For CONSTANT; in [0.001, 1000]."""
    options: int | None
    """How many options the calibrator is for, where there are no items to tell."""
    teacher_reading: AnyReading | None
    """How the teacher is asked, where that differs."""
    teacher_shots: Sequence[Example]
    """What the teacher is shown, where that differs."""
    bias_correction: BiasCorrection
    """What is taken off the scores of the labels before."""
    content_free: Sequence[Sequence[float]]
    """Scores after questions without content, for CONTEXTUAL and items that are ``Scores``."""
    activate: bool
    """Whether the calibrator answers at once. A degenerate fit does not, with a
    ``DegenerateFitWarning``."""
    force: bool
    """Whether even a degenerate fit is activated."""
    any_options: bool
    """One temperature for any number of options, from items of mixed numbers, or, by CONSTANT and
    IDENTITY, of none; methods that end in no temperature refuse it."""
    allow_probabilities: bool
    """Whether rows of ``Scores`` that look like probabilities are taken for logprobs."""
    request_id: str
    """Your name for this fit: the same request with the same name is fitted once, however often it
    is sent."""
    validate_only: bool
    """Whether nothing is stored: what comes back is what would have been."""


class EvaluateOptions(ReadingOptions, total=False):
    """Of ``evaluate``."""

    target_risks: Sequence[float]
    """Risks, in (0, 1), to find abstention thresholds for; the server has its own."""
    miscoverages: Sequence[float]
    """How often, in (0, 1), answer sets may miss the right option; the server has its own."""
    allow_probabilities: bool
    """Whether rows of ``Scores`` that look like probabilities are taken for logprobs."""


SCORE: ScoreOptions = {
    "reading": Format.PAREN,
    "shots": (),
    "calibrator": None,
    "min_option_mass": 0.0,
    "min_confidence": 0.0,
    "answer_set": None,
    "require_calibrated": None,
    "top_tokens": 0,
}
"""What is meant where nothing is said."""

FIT: FitOptions = {
    "method": Method.TEACHER_KL,
    "reading": Format.PAREN,
    "shots": (),
    "teacher": None,
    "temperature": None,
    "options": None,
    "teacher_reading": None,
    "teacher_shots": (),
    "bias_correction": BiasCorrection.NONE,
    "content_free": (),
    "activate": False,
    "force": False,
    "any_options": False,
    "allow_probabilities": False,
    "request_id": "",
    "validate_only": False,
}

EVALUATE: EvaluateOptions = {
    "reading": Format.PAREN,
    "shots": (),
    "target_risks": (),
    "miscoverages": (),
    "allow_probabilities": False,
}

Options = TypeVar("Options", ScoreOptions, FitOptions, EvaluateOptions)
Function = TypeVar("Function", bound=Callable[..., Any])


def completed(given: Options, defaults: Options) -> Options:
    """The options with the defaults of those that are left out.

    Raises TypeError for a name that is none of them, as Python does for a keyword.
    """
    for name in given:
        if name not in defaults:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
    return cast(Options, {**defaults, **given})


def spelled_out(options: type, defaults: Mapping[str, Any]) -> Callable[[Function], Function]:
    """Lets ``help()`` and what completes by it see each option of a function's last ``**``."""

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        *own, _ = signature.parameters.values()
        spelled = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=options.__annotations__[name],
            )
            for name, default in defaults.items()
        ]
        shown = signature.replace(parameters=[*own, *spelled])
        function.__signature__ = shown  # type: ignore[attr-defined]
        return function

    return decorate
