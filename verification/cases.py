"""The cases against transformers: what is asked, and the texts that the reference reads for it.

Every expected text is written out here or in ``wording``. A case is a list of parts, each one
request's worth of questions for one model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from trueodds import (
    Chat,
    CustomFormat,
    Example,
    Format,
    Normalization,
    Question,
    Reading,
    Text,
    TokenIds,
)
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED, BASE
from trueodds_demo.world.documents import documents
from verification import wording
from verification.models import ADAPTED, CHATML, INST
from verification.reference import Joined, Reference, Span

References = Mapping[str, Reference]

ANSWERED = {
    Format.LETTER: wording.letter,
    Format.PAREN: wording.paren,
    Format.PAREN_OPTIONS: wording.paren,
    Format.TEXT: wording.text,
}
# Those that are answered with "(A)"; the second one asks so, too.
PARENTHESES = {Format.PAREN: wording.built_in, Format.PAREN_OPTIONS: wording.in_parentheses}


@dataclass(frozen=True)
class Asked:
    """A question, and what the reference reads for it.

    ``ways`` are the spans of each option, all ways to write it; ``names`` what its length is
    measured of. ``identifier`` is the span of the format identifier, where there is one.
    ``unconditional`` are the spans of ``ways`` after the unconditional prompt.
    """

    question: Question
    ways: tuple[tuple[Span, ...], ...]
    names: tuple[str, ...]
    identifier: Span | None = None
    unconditional: tuple[tuple[Span, ...], ...] = ()

    @property
    def read_at(self) -> tuple[int, ...]:
        """The tokens before the options."""
        first = self.ways[0][0]
        return first.ids[: first.start]


@dataclass(frozen=True)
class Part:
    """Questions of one request."""

    model: str
    asked: Sequence[Asked]
    reading: Reading
    shots: Sequence[Example] = ()
    top_tokens: int = 0


def all_cases(references: References) -> dict[str, list[Part]]:
    """The cases that ``compare.options`` compares, by name."""
    return {
        **_built_in(references),
        "custom format, long identifier": _custom(references),
        "class names": _class_names(references),
        "128 options": _many_options(references),
        "surface variants": _variants(references),
        "PMI": _pmi(references),
        "tokens, bytes, characters": _lengths(references),
        "own prompt: text": _own_text(references),
        "own prompt: special text": _special_text(references),
        "own prompt: token ids": _token_ids(references),
        "own prompt: chat": _chat(references),
        "LoRA adapter": _adapter(references),
        "long passages": _passages(references),
        "top tokens": _top_tokens(references),
    }


def asked(
    reference: Reference,
    question: Question,
    prompt: str,
    options: Sequence[Sequence[str]],
    names: Iterable[str],
    *,
    identifier: str = "",
    special: bool = False,
) -> Asked:
    """The spans of a question whose texts are given: ``options`` are the ways to write each."""
    ways = []
    own = {reference.span(prompt + identifier, first, special=special) for first, *_ in options}
    for first, *variants in options:
        found = [reference.span(prompt + identifier, first, special=special)]
        for variant in variants:
            try:
                span = reference.span(prompt + identifier, variant, special=special)
            except Joined:
                continue
            if span not in own and span.ids[: span.start] == found[0].ids[: found[0].start]:
                found.append(span)
        ways.append(tuple(found))
    before = reference.span(prompt, identifier, special=special) if identifier else None
    return Asked(question, tuple(ways), tuple(names), before)


def prompt_of(question: Question, worked: Sequence[Example], answer_format: Format) -> str:
    """What a built-in format asks."""
    ask = PARENTHESES.get(answer_format, wording.built_in)
    return wording.after_shots(question, worked, ANSWERED[answer_format], ask)


def in_built_in(
    reference: Reference,
    question: Question,
    answer_format: Format,
    worked: Sequence[Example] = (),
    *,
    variants: bool = False,
) -> Asked:
    """A question in a built-in format."""
    prompt = prompt_of(question, worked, answer_format)
    return after(reference, question, prompt, answer_format, variants=variants)


def after(
    reference: Reference,
    question: Question,
    prompt: str,
    answer_format: Format,
    *,
    special: bool = False,
    variants: bool = False,
    lead: str = " ",
) -> Asked:
    """A question whose options are read after a prompt as a built-in format says.

    ``lead`` is what stands between the prompt and the answer.
    """
    names = question.options if answer_format is Format.TEXT else wording.labels(question)
    if answer_format in PARENTHESES:
        options = [(name, f" {name}") for name in names]
    else:
        options = [(lead + name, name) for name in names]
    return asked(
        reference,
        question,
        prompt,
        options if variants else [option[:1] for option in options],
        names,
        identifier=f"{lead}(" if answer_format in PARENTHESES else "",
        special=special,
    )


def _built_in(references: References) -> dict[str, list[Part]]:
    cases = {}
    models = {Format.LETTER: (BASE, ALIGNED), Format.PAREN: (ALIGNED, BASE)}
    for answer_format in Format:
        zero, five = models.get(answer_format, (BASE, ALIGNED))
        for model, count in ((zero, 0), (five, 5)):
            cases[f"{answer_format.name}, {count} shots"] = [
                _part(references, model, task, 25, answer_format, shots(task)[:count])
                for task in world.TASKS
            ]
    return cases


def _part(
    references: References,
    model: str,
    task: str,
    count: int,
    answer_format: Format,
    worked: Sequence[Example] = (),
) -> Part:
    reference = references[model]
    asks = [
        in_built_in(reference, question, answer_format, worked)
        for question in scored_questions(task, count)
    ]
    return Part(model, asks, Reading(answer_format), worked)


def _custom(references: References) -> list[Part]:
    custom = CustomFormat(
        question="{passage}Question: {text}\n{options}",
        option="[{label}] {text}\n",
        identifier="The right answer is option [",
        answer="{label}]",
        separator="\n---\n",
    )

    def ask(question: Question) -> str:
        passage = f"{question.passage}\n" if question.passage else ""
        lines = "".join(
            f"[{label}] {option}\n"
            for label, option in zip(wording.labels(question), question.options, strict=True)
        )
        return f"{passage}Question: {question.text}\n{lines}"

    def answered(question: Question, option: int) -> str:
        return f"The right answer is option [{wording.labels(question)[option]}]"

    parts = []
    for model, count in ((BASE, 0), (ALIGNED, 3), (INST, 2)):
        for task in ("knowledge", "openbook", "toxicity"):
            worked = shots(task)[:count]
            asks = []
            for question in scored_questions(task, 20):
                prompt = wording.after_shots(question, worked, answered, ask, "\n---\n")
                names = wording.labels(question)
                options = [(name,) for name in names]
                identifier = "The right answer is option ["
                asks.append(
                    asked(
                        references[model], question, prompt, options, names, identifier=identifier
                    )
                )
            parts.append(Part(model, asks, Reading(custom), worked))
    return parts


CLASSES: dict[str, tuple[str, ...]] = {
    "Is it a good review?": ("Yes", "No"),
    "How many stars are that?": ("1", "2", "3", "4", "5"),
    "Do you agree that it is good?": (
        "strongly disagree",
        "disagree",
        "neither agree nor disagree",
        "agree",
        "strongly agree",
    ),
    "What is it about?": ("music", "the theatre", "a film", "a film festival"),
}


def classified(reference: Reference, count: int, *, variants: bool = False) -> list[list[Asked]]:
    """Reviews to be put into classes by name; no option lines. A list for each CLASSES."""
    asks = []
    for ask, classes in CLASSES.items():
        asks.append(
            [
                asked(
                    reference,
                    Question(each.text, classes, labels=classes),
                    f"Review: {each.text}\n{ask}",
                    [(f" {name}", name) if variants else (f" {name}",) for name in classes],
                    classes,
                )
                for each in scored_questions("sentiment", count)
            ]
        )
    return asks


def _by_class(ask: str) -> CustomFormat:
    return CustomFormat(question=f"Review: {{text}}\n{ask}")


def _class_names(references: References) -> list[Part]:
    return [
        Part(model, asks, Reading(_by_class(ask)))
        for model in (ALIGNED, CHATML, INST)
        for ask, asks in zip(CLASSES, classified(references[model], 20), strict=True)
    ]


def _many_options(references: References) -> list[Part]:
    numbers = tuple(str(number) for number in range(1, 129))
    form = CustomFormat(question="{text}\nNumber:")
    parts = []
    for model in (BASE, INST):
        asks = [
            asked(
                references[model],
                Question(each.text, numbers, labels=numbers),
                f"{each.text}\nNumber:",
                [(f" {number}",) for number in numbers],
                numbers,
            )
            for each in scored_questions("openbook", 15)
        ]
        parts.append(Part(model, asks, Reading(form)))
    listed = [
        Question(each.text, [f"number {number}" for number in numbers], labels=numbers)
        for each in scored_questions("openbook", 5)
    ]
    asks = [in_built_in(references[CHATML], each, Format.LETTER) for each in listed]
    return [*parts, Part(CHATML, asks, Reading(Format.LETTER))]


def _variants(references: References) -> list[Part]:
    parts = []
    for model in (BASE, CHATML, INST):
        reference = references[model]
        for answer_format in Format:
            asks = [
                in_built_in(reference, question, answer_format, variants=True)
                for task in ("truth", "logic")
                for question in scored_questions(task, 8)
            ]
            parts.append(Part(model, asks, Reading(answer_format, sum_variants=True)))
        for ask, asks in zip(CLASSES, classified(reference, 5, variants=True), strict=True):
            parts.append(Part(model, asks, Reading(_by_class(ask), sum_variants=True)))
    return parts


def _pmi(references: References) -> list[Part]:
    parts = []
    for model in (BASE, CHATML, INST):
        reference = references[model]
        for unconditional, ids in (
            ("Answer:", reference.ids("Answer:")),
            (TokenIds([7, 8, 9]), (7, 8, 9)),
        ):
            reading = Reading(Format.TEXT, Normalization.PMI, unconditional_prompt=unconditional)
            asks = []
            for task in ("truth", "completion"):
                for question in scored_questions(task, 12):
                    each = in_built_in(reference, question, Format.TEXT)
                    without = tuple(tuple(span.after(ids) for span in spans) for spans in each.ways)
                    asks.append(Asked(question, each.ways, each.names, None, without))
            parts.append(Part(model, asks, reading))
    return parts


# Characters of one to four bytes.
_FOREIGN = ("naïve", "Zoë’s café in Łódź", "東京タワー", "π ≈ 3.14", "a 🙂", "plain", "Ωμέγα two")


def _lengths(references: References) -> list[Part]:
    rng = Random(0)
    parts = []
    for model in (ALIGNED, CHATML, INST):
        questions = [question for task in world.TASKS for question in scored_questions(task, 3)]
        questions += [
            Question(f"Which of them was number {number}?", rng.sample(_FOREIGN, 4))
            for number in range(9)
        ]
        asks = [in_built_in(references[model], question, Format.TEXT) for question in questions]
        parts += [
            Part(model, asks, Reading(Format.TEXT, normalization))
            for normalization in (
                Normalization.TOKENS,
                Normalization.BYTES,
                Normalization.CHARACTERS,
            )
        ]
    return parts


def _own_text(references: References) -> list[Part]:
    parts = []
    for model in (BASE, CHATML, INST):
        for answer_format in Format:
            asks = []
            for each in scored_questions("openbook", 15):
                # Names of special tokens in a text are plain text.
                prompt = f"<|im_start|>{each.passage}</s> {each.text} I think that it is"
                question = Question(options=each.options, prompt=prompt)
                asks.append(after(references[model], question, prompt, answer_format))
            parts.append(Part(model, asks, Reading(answer_format)))
    return parts


def _special_text(references: References) -> list[Part]:
    parts = []
    for answer_format in Format:
        asks = []
        for each in scored_questions("truth", 40):
            said = (("system", "You answer questions."), ("user", wording.built_in(each)))
            prompt = wording.chatml(said) + "I say:"
            question = Question(options=each.options, prompt=Text(prompt, special_tokens=True))
            asks.append(after(references[CHATML], question, prompt, answer_format, special=True))
        parts.append(Part(CHATML, asks, Reading(answer_format)))
    return parts


def _token_ids(references: References) -> list[Part]:
    """Any ids after any others, one to six an option."""
    rng = Random(1)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(rng.choices(range(300, 1100), k=count))

    parts = []
    for model in (BASE, CHATML, INST):
        asks = []
        for number in range(40):
            prompt = references[model].ids(wording.built_in(scored_questions("logic", 40)[number]))
            options = tuple({ids(rng.randint(1, 6)) for _ in range(rng.randint(2, 9))} | {ids(7)})
            question = Question(prompt=TokenIds(prompt), option_ids=options)
            ways = tuple((Span(prompt + option, len(prompt)),) for option in options)
            asks.append(Asked(question, ways, ("",) * len(options)))
        parts.append(Part(model, asks, Reading(Format.LETTER)))
    return parts


def _chat(references: References) -> list[Part]:
    parts = []
    for model in (CHATML, INST):
        for answer_format in Format:
            for prefix in ("", "The answer is"):
                asks = []
                for each in scored_questions("openbook", 12):
                    said = wording.built_in(each)
                    messages = [{"role": "user", "content": said}]
                    if model == CHATML:
                        system = "Answer with one of the options."
                        messages.insert(0, {"role": "system", "content": system})
                        prompt = wording.chatml((("system", system), ("user", said)))
                    else:
                        prompt = wording.inst(said)
                    question = Question(options=each.options, prompt=Chat(messages, prefix))
                    # Nothing stands between ChatML's header and what an assistant says.
                    lead = "" if model == CHATML and not prefix else " "
                    asks.append(
                        after(
                            references[model],
                            question,
                            prompt + prefix,
                            answer_format,
                            special=True,
                            lead=lead,
                        )
                    )
                parts.append(Part(model, asks, Reading(answer_format)))
    return parts


def _adapter(references: References) -> list[Part]:
    return [
        _part(references, ADAPTED, task, 10, answer_format, shots(task)[:count])
        for answer_format in Format
        for count in (0, 5)
        for task in ("knowledge", "logic", "sentiment", "openbook")
    ]


def _passages(references: References) -> list[Part]:
    texts = documents(Random(2))
    rng = Random(3)
    parts = []
    for model in (BASE, INST):
        asks = []
        for each in scored_questions("logic", 12):
            passage = "\n\n".join(islice(texts, rng.randint(1, 14)))
            question = Question(each.text, each.options, passage)
            asks.append(in_built_in(references[model], question, Format.PAREN))
        parts.append(Part(model, asks, Reading(Format.PAREN)))
    return parts


def _top_tokens(references: References) -> list[Part]:
    parts = []
    for model in (BASE, ADAPTED, CHATML):
        for answer_format in Format:
            asks = [
                in_built_in(references[model], question, answer_format)
                for question in scored_questions("completion", 15)
            ]
            parts.append(Part(model, asks, Reading(answer_format), top_tokens=20))
    return parts
