"""The documented prompts, written a second time: the service's own code is not asked."""

from collections.abc import Callable, Sequence

from trueodds import Example, Question

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Answered = Callable[[Question, int], str]
"""How an option is answered with, such as " (A)"."""


def labels(question: Question) -> Sequence[str]:
    return question.labels or LETTERS[: len(question.options)]


def built_in(question: Question, option: str = "{}. {}") -> str:
    """What LETTER, PAREN and TEXT ask."""
    lines = [question.passage] if question.passage else []
    lines.append(question.text)
    for label, text in zip(labels(question), question.options, strict=True):
        lines.append(option.format(label, text))
    lines.append("Answer:")
    return "\n".join(lines)


def in_parentheses(question: Question) -> str:
    """What PAREN_OPTIONS asks."""
    return built_in(question, "({}) {}")


def letter(question: Question, option: int) -> str:
    return f" {labels(question)[option]}"


def paren(question: Question, option: int) -> str:
    return f" ({labels(question)[option]})"


def text(question: Question, option: int) -> str:
    return f" {question.options[option]}"


def after_shots(
    question: Question,
    shots: Sequence[Example],
    answered: Answered,
    ask: Callable[[Question], str] = built_in,
    separator: str = "\n\n",
) -> str:
    """The prompt of a question after worked examples."""
    worked = [
        ask(shot.question) + answered(shot.question, shot.answer) + separator
        for shot in shots
        if shot.answer is not None
    ]
    return "".join(worked) + ask(question)


def chatml(messages: Sequence[tuple[str, str]]) -> str:
    """The conversation as the ChatML model's template writes it, with thinking off."""
    turns = "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in messages)
    return f"{turns}<|im_start|>assistant\n<think>\n\n</think>\n\n"


def inst(said: str) -> str:
    """One message as the SentencePiece model's template writes it."""
    return f"<s>[INST] {said} [/INST]"
