"""The prompt, word for word."""

import string

import pytest

from trueodds_service.prompts.formats import Format, answer, render
from trueodds_service.prompts.question import Question, Shot, letters

QUESTION = Question("Which is a mammal?", ("trout", "bat", "wren"), ("A", "B", "C"))

PROMPT = """\
Which is a mammal?
A. trout
B. bat
C. wren
Answer:"""


@pytest.mark.parametrize("answer_format", Format)
def test_a_question_ends_where_its_answer_begins(answer_format):
    assert render(QUESTION, [], answer_format) == PROMPT


def test_a_passage_comes_first():
    question = Question(QUESTION.text, QUESTION.options, QUESTION.labels, passage="Of animals.")
    assert render(question, [], Format.PAREN) == f"Of animals.\n{PROMPT}"


@pytest.mark.parametrize(
    ("answer_format", "written"), [(Format.LETTER, " B"), (Format.PAREN, " (B)")]
)
def test_a_shot_is_answered_in_the_format(answer_format, written):
    assert answer("B", answer_format) == written
    prompt = render(QUESTION, [Shot(QUESTION, 1)], answer_format)
    assert prompt == f"{PROMPT}{written}\n\n{PROMPT}"


def test_shots_keep_their_order_and_their_own_labels():
    other = Question("2 + 2?", ("3", "4"), ("x", "y"))
    prompt = render(QUESTION, [Shot(QUESTION, 0), Shot(other, 1)], Format.PAREN)
    assert prompt == f"{PROMPT} (A)\n\n2 + 2?\nx. 3\ny. 4\nAnswer: (y)\n\n{PROMPT}"


def test_formats_share_the_prompt_so_that_only_the_answer_differs():
    letter, paren = (render(QUESTION, [], answer_format) for answer_format in Format)
    assert letter == paren


def test_the_values_of_formats_are_part_of_stored_scopes():
    assert [each.value for each in Format] == ["letter", "paren"]


def test_letters_are_the_alphabet():
    assert letters(2) == ("A", "B")
    assert letters(26) == tuple(string.ascii_uppercase)
