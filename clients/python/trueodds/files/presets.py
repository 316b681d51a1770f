"""Layouts that benchmarks are published in, by name."""

from collections.abc import Collection
from dataclasses import dataclass

from trueodds.files.answers import Answers
from trueodds.files.errors import FileError
from trueodds.files.names import resolve

NATIVE = "trueodds"
COPA = "copa"

# COPA's question is one of two words.
COPA_QUESTIONS = {
    "cause": "What was the cause of this?",
    "effect": "What happened as a result?",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """Which columns hold what. A file that has all of ``marks`` and those of no other preset is
    of this one.
    """

    name: str
    question: str
    options: tuple[str, ...]
    answer: str
    answers: Answers
    passage: str = ""
    id: str = ""
    marks: tuple[str, ...] = ()

    def needs(self) -> set[str]:
        return {self.question, *self.options, *self.marks} | (
            {self.passage} if self.passage else set()
        )


_CHOICES = ("choices",)
PRESETS = {
    each.name: each
    for each in (
        Preset("piqa", "goal", ("sol1", "sol2"), "label", Answers.FROM_0, id="id"),
        Preset(
            COPA, "question", ("choice1", "choice2"), "label", Answers.FROM_0, "premise", "idx"
        ),
        Preset("siqa", "question", ("answerA", "answerB", "answerC"), "label", Answers.FROM_1,
               "context"),
        Preset("winogrande", "sentence", ("option1", "option2"), "answer", Answers.FROM_1,
               id="qID"),
        Preset("hellaswag", "ctx", ("endings",), "label", Answers.FROM_0, id="ind"),
        Preset("mmlu", "question", ("A", "B", "C", "D"), "answer", Answers.LETTERS),
        Preset("mmlu-hub", "question", _CHOICES, "answer", Answers.FROM_0, marks=("subject",)),
        Preset("mmlu-pro", "question", ("options",), "answer_index", Answers.FROM_0,
               id="question_id", marks=("answer", "answer_index")),
        Preset("arc", "question", _CHOICES, "answerKey", Answers.LABELS, id="id",
               marks=("answerKey",)),
        Preset("arc-published", "question.stem", ("question.choices",), "answerKey",
               Answers.LABELS, id="id"),
        Preset("openbookqa", "question_stem", _CHOICES, "answerKey", Answers.LABELS, id="id"),
        Preset("truthfulqa-mc1", "question", ("mc1_targets",), "", Answers.MARKED),
        Preset("bigbench", "input", ("target_scores",), "", Answers.MARKED),
        Preset("medmcqa", "question", ("opa", "opb", "opc", "opd"), "cop", Answers.FROM_1,
               id="id"),
        Preset("medmcqa-hub", "question", ("opa", "opb", "opc", "opd"), "cop", Answers.FROM_0,
               id="id"),
        Preset("agieval", "question", ("options",), "label", Answers.LETTERS, "passage"),
        Preset("race", "question", ("options",), "answer", Answers.LETTERS, "article"),
    )
}  # fmt: skip
"""By name. MedMCQA is published with answers from 1, and from 0 by the hub: which one a file is
does not show in its columns."""


def detect(names: Collection[str]) -> Preset | None:
    """The preset whose columns a file has; None if it has those of none, or of several."""
    found = [each for each in PRESETS.values() if _has_all(each, names)]
    return found[0] if len(found) == 1 else None


def preset(name: str) -> Preset:
    """Raises FileError where none is called so."""
    if name not in PRESETS:
        raise FileError(f"no layout is named {name!r}; known are {', '.join([NATIVE, *PRESETS])}")
    return PRESETS[name]


def _has_all(each: Preset, names: Collection[str]) -> bool:
    return all(resolve(needed, names) is not None for needed in each.needs())
