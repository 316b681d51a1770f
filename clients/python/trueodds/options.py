"""The options of calls, each written once: what may be left out, what it means, and its default.

Every call that takes them does so as keywords, ``client.score(question, model="m", shots=shots)``.
Those that many calls share are kept in one value:

    careful: ScoreOptions = {"shots": shots, "min_confidence": 0.9}
    client.score(question, model="m", **careful)
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, cast

from trueodds.answer import Answer, AnswerSetRule
from trueodds.calibrator import BiasCorrection, Method
from trueodds.errors import TrueoddsError
from trueodds.question import Example
from trueodds.reading import CustomFormat, Format, Reading

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

OnOutcome = Callable[[int, Answer | TrueoddsError], None]
"""Called with the index of a question and its outcome, as soon as it is there."""

AnyReading = Reading | Format | CustomFormat
"""How a question is asked and its answer read; a format alone will do."""


FilePath = str | os.PathLike[str]


class ConnectionOptions(TypedDict, total=False):
    """TLS, trusted certificates and credentials of a client. An option that is left out is taken
    from its environment variable.

    tls: whether to speak TLS; TRUEODDS_TLS, else whether there is one of ``ca`` and ``cert``.
    ca: a file of the CAs to trust, in PEM; TRUEODDS_CA, else those that gRPC brings.
    cert, cert_key: files of a certificate to show and of its key, in PEM; TRUEODDS_CERT,
        TRUEODDS_CERT_KEY.
    api_key: a key to send with each call; TRUEODDS_API_KEY.
    plaintext_key: whether the key may travel in the clear to another machine.
    """

    tls: bool | None
    ca: FilePath | None
    cert: FilePath | None
    cert_key: FilePath | None
    api_key: str | None
    plaintext_key: bool


class ReadingOptions(TypedDict, total=False):
    """What all who ask questions may say.

    reading: how the questions are asked and their answers read.
    shots: worked examples, shown before each question; each needs its answer.
    """

    reading: AnyReading
    shots: Sequence[Example]


class ScoreOptions(ReadingOptions, total=False):
    """Options of ``score``, ``score_batch`` and ``score_stream``.

    reading: how the questions are asked and their answers read; a format alone will do.
    shots: worked examples, shown before each question; each needs its answer.
    calibrator: this one, rather than the active one of the task or of the model.
    min_option_mass: an answer abstains where its options hold less of the probability; in [0, 1].
    min_confidence: an answer abstains where its calibrated confidence is less; in [0, 1].
    answer_set: the rule of the answer set to tell; it is for one named ``calibrator``.
    require_calibrated: whether a question that no calibrator applies to is FailedPrecondition,
        ``NOT_CALIBRATED``, or is answered raw; None is as the server is configured.
    top_tokens: how many of the likeliest tokens to tell, at most 20.
    receipts: whether each answer has a receipt, for ``record_outcomes``.
    """

    calibrator: str | None
    min_option_mass: float
    min_confidence: float
    answer_set: AnswerSetRule | None
    require_calibrated: bool | None
    top_tokens: int
    receipts: bool


class FitOptions(ReadingOptions, total=False):
    """Options of ``fit``.

    method: TEACHER_KL, AGREEMENT_KL and TEACHER_POOLED need a handful of questions and a teacher,
        CONSTANT and IDENTITY only the number of ``options``, the others answers; AUTO chooses.
        CASCADE is for a cascade, and needs a ``target_risk`` and answers, or a
        ``target_passed_on``.
    reading: how the questions are asked and their answers read; a format alone will do.
    shots: worked examples, shown before each question; each needs its answer.
    teacher: the pre-trained model; that of the server's configuration when left out.
    temperature: for CONSTANT; in [0.001, 1000].
    target_risk: for CASCADE: how much of what each model but the last answers may be wrong, in
        (0, 1).
    target_passed_on: for CASCADE: what share of the questions may go on to the last of two models,
        in (0, 1).
    options: how many options the calibrator is for, where there are no items to tell.
    teacher_reading, teacher_shots: how the teacher is asked and read, where that differs.
    bias_correction: what is taken off the scores of the labels before.
    content_free: scores after questions without content, for CONTEXTUAL and ``Scores``.
    activate: whether the calibrator answers at once. One whose fit is degenerate is kept and not
        activated, with a ``DegenerateFitWarning``.
    force: whether even that is activated.
    any_options: one temperature for any number of options, from items of mixed numbers, or, by
        CONSTANT and IDENTITY, of none; methods that end in no temperature refuse it.
    probability_step: what probabilities and confidences of ``Scores`` are rounded to, 0.01 for two
        decimals: zeros are lifted by half of it. Where it is 0, zeros are refused.
    allow_probabilities: whether logprobs of ``Scores`` may look like probabilities.
    request_id: your name for this fit: the same request with the same name is fitted once, however
        often it is sent.
    validate_only: whether nothing is stored: what comes back is what would have been.
    """

    method: Method
    teacher: str | None
    temperature: float | None
    target_risk: float | None
    target_passed_on: float | None
    options: int | None
    teacher_reading: AnyReading | None
    teacher_shots: Sequence[Example]
    bias_correction: BiasCorrection
    content_free: Sequence[Sequence[float]]
    activate: bool
    force: bool
    any_options: bool
    probability_step: float
    allow_probabilities: bool
    request_id: str
    validate_only: bool


class CheckOptions(ReadingOptions, total=False):
    """Options of ``check``.

    reading, shots: those of the answers that the calibrator is for, and of its fit.
    teacher: the pre-trained model, of a calibrator that was fitted without one; that of the
        server's configuration when left out.
    teacher_reading, teacher_shots: how the teacher is asked and read, as at the fit, where that
        differs.
    propose: whether a calibrator is fitted on the questions, kept, and compared on outcomes.
    """

    teacher: str | None
    teacher_reading: AnyReading | None
    teacher_shots: Sequence[Example]
    propose: bool


class EvaluateOptions(ReadingOptions, total=False):
    """Options of ``evaluate``.

    reading, shots: those of the answers that the calibrator is for.
    target_risks: risks, in (0, 1), to find abstention thresholds for; the server has its own.
    miscoverages: how often, in (0, 1), answer sets may miss the right option; the server has its
        own.
    probability_step: as of a fit.
    allow_probabilities: whether logprobs of ``Scores`` may look like probabilities.
    """

    target_risks: Sequence[float]
    miscoverages: Sequence[float]
    probability_step: float
    allow_probabilities: bool


SCORE: ScoreOptions = {
    "reading": Format.PAREN,
    "shots": (),
    "calibrator": None,
    "min_option_mass": 0.0,
    "min_confidence": 0.0,
    "answer_set": None,
    "require_calibrated": None,
    "top_tokens": 0,
    "receipts": False,
}
"""What is meant where nothing is said."""

CONNECTION: ConnectionOptions = {
    "tls": None,
    "ca": None,
    "cert": None,
    "cert_key": None,
    "api_key": None,
    "plaintext_key": False,
}

FIT: FitOptions = {
    "method": Method.TEACHER_KL,
    "reading": Format.PAREN,
    "shots": (),
    "teacher": None,
    "temperature": None,
    "target_risk": None,
    "target_passed_on": None,
    "options": None,
    "teacher_reading": None,
    "teacher_shots": (),
    "bias_correction": BiasCorrection.NONE,
    "content_free": (),
    "activate": False,
    "force": False,
    "any_options": False,
    "probability_step": 0.0,
    "allow_probabilities": False,
    "request_id": "",
    "validate_only": False,
}

CHECK: CheckOptions = {
    "reading": Format.PAREN,
    "shots": (),
    "teacher": None,
    "teacher_reading": None,
    "teacher_shots": (),
    "propose": False,
}

EVALUATE: EvaluateOptions = {
    "reading": Format.PAREN,
    "shots": (),
    "target_risks": (),
    "miscoverages": (),
    "probability_step": 0.0,
    "allow_probabilities": False,
}

Options = TypeVar(
    "Options", ConnectionOptions, ScoreOptions, FitOptions, CheckOptions, EvaluateOptions
)
Function = TypeVar("Function", bound=Callable[..., Any])


def completed(given: Options, defaults: Options) -> Options:
    """The options with the defaults of those that are left out.

    Raises TypeError for a name that is none of them, as Python does for a keyword.
    """
    for name in given:
        if name not in defaults:
            known = ", ".join(defaults)
            raise TypeError(f"got an unexpected keyword argument {name!r}; there are {known}")
    return cast(Options, {**defaults, **given})


def spelled_out(options: type, defaults: Mapping[str, Any]) -> Callable[[Function], Function]:
    """Lets ``help()``, and what completes by it, tell each option of a function's last ``**``."""

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
        function.__doc__ = f"{inspect.getdoc(function)}\n\n{inspect.getdoc(options)}"
        return function

    return decorate
