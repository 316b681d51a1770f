"""The options' tokens, for tokenizers of many families, against those of the whole text."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from trueodds import Example, Format, Question
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts import question as domain
from trueodds_service.prompts.formats import BUILT_IN
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer
from verification import wording
from verification.cases import PARENTHESES, prompt_of
from verification.comparison import Comparison, Result
from verification.families import FAMILIES
from verification.reference import Joined, Span, WholeText

_PER_TASK = 25
# White space of every kind before a line's end, in what all questions of a task share.
_PASSAGE = "".join(
    f"Paragraph {number} is of some length.{end}"
    for number, end in enumerate(["\n", "\n\n", " \n", "\n\n\n", "\t\n", " \n\n", "\n \n"] * 3)
)


def families(corpus: Sequence[str], real: Sequence[Question]) -> Iterator[Result]:
    """A case a family. Agreement is the share of questions that are right, or rightly refused."""
    for name, trained in FAMILIES.items():
        yield _family(name, trained(corpus), real)


def _family(name: str, tokenizer: Any, real: Sequence[Question]) -> Result:
    comparison = Comparison()
    whole = WholeText(tokenizer.backend_tokenizer)
    prompts = PromptTokenizer(tokenizer, 10**6)
    refused = 0
    for questions, worked in _asked(real):
        examples = [
            domain.Shot(_domain(each.question), each.answer)
            for each in worked
            if each.answer is not None
        ]
        for answer_format in Format:
            reading = Reading(BUILT_IN[answer_format.value.replace("_", "-")])
            prepared = prompts.prepare(list(map(_domain, questions)), examples, reading)
            for question, outcome in zip(questions, prepared, strict=True):
                expected = _expected(whole, question, worked, answer_format)
                comparison.n += 1
                refused += expected is None
                comparison.agree(_sequences(outcome) == expected)
    return comparison.result(name, "tokenizers", note=f"{refused} refused")


def _asked(real: Sequence[Question]) -> Iterator[tuple[list[Question], list[Example]]]:
    for task in world.TASKS:
        questions = scored_questions(task, _PER_TASK)
        for count in (0, 2):
            yield questions, shots(task)[:count]
        yield [replace(question, passage=_PASSAGE) for question in questions], []
    yield list(real), []


def _sequences(outcome: Prepared | InvalidInput) -> list[Span] | None:
    """What the engine would read: each option after all that stands before it."""
    if isinstance(outcome, InvalidInput):
        return None
    prompt = outcome.prompt
    before = (*prompt.prompt, *prompt.identifier)
    places = [ways[0][1] for ways in outcome.surfaces]
    return [Span(before + prompt.continuations[place], len(before)) for place in places]


def _expected(
    whole: WholeText, question: Question, worked: Sequence[Example], answer_format: Format
) -> list[Span] | None:
    """The same by the whole texts; None where the options have no tokens of their own."""
    prompt = prompt_of(question, worked, answer_format)
    names = question.options if answer_format is Format.TEXT else wording.labels(question)
    identifier, lead = (" (", "") if answer_format in PARENTHESES else ("", " ")
    try:
        read_at = whole.ids(prompt)
        if identifier:
            before = whole.span(prompt, identifier)
            if before.ids[: before.start] != read_at:
                return None
            read_at = before.ids
        spans = [whole.span(prompt + identifier, lead + name) for name in names]
    except Joined:
        return None
    changed = any(span.ids[: span.start] != read_at for span in spans)
    same = len({span.tokens for span in spans}) < len(spans)
    return None if changed or same else spans


def _domain(question: Question) -> domain.Question:
    options = tuple(question.options)
    return domain.Question(question.text, options, domain.letters(len(options)), question.passage)
