"""The prompt, word for word."""

import string
from dataclasses import replace

import pytest

from trueodds_service.prompts.formats import (
    BUILT_IN,
    LETTER,
    PAREN,
    PAREN_OPTIONS,
    TEXT,
    Format,
    answer,
    asked_length,
    render,
    worked,
    worked_length,
)
from trueodds_service.prompts.question import Question, Shot, letters

QUESTION = Question("Which is a mammal?", ("trout", "bat", "wren"), ("A", "B", "C"))
OTHER = Question("2 + 2?", ("3", "4"), ("x", "y"))

PROMPT = """\
Which is a mammal?
A. trout
B. bat
C. wren
Answer:"""

# Everything about it departs from the built-in formats.
OWN = Format(
    question="{options}Context: {passage}Q: {text} =>",
    option="({label}) {text}; ",
    identifier=" the",
    answer=" one called {text}.",
    separator="\n###\n",
)

WRITTEN = {LETTER: " B", PAREN: " (B)", TEXT: " bat", OWN: " the one called bat."}


@pytest.mark.parametrize("answer_format", [LETTER, PAREN, TEXT], ids=str)
def test_a_question_ends_where_its_answer_begins(answer_format):
    """These formats share the prompt, so that only the answer differs."""
    assert render(QUESTION, [], answer_format) == PROMPT


def test_options_can_be_shown_as_they_are_answered():
    """As far as is known the wording of He et al. 2023."""
    question = Question("Tin?", ("yes", "no"), ("A", "B"))
    assert render(question, [Shot(question, 1)], PAREN_OPTIONS) == (
        "Tin?\n(A) yes\n(B) no\nAnswer: (B)\n\nTin?\n(A) yes\n(B) no\nAnswer:"
    )


def test_a_passage_comes_first():
    question = replace(QUESTION, passage="Of animals.")
    assert render(question, [], PAREN) == f"Of animals.\n{PROMPT}"


@pytest.mark.parametrize(("answer_format", "written"), WRITTEN.items(), ids=str)
def test_a_shot_is_answered_in_the_format(answer_format, written):
    assert answer(QUESTION, 1, answer_format) == written
    asked = render(QUESTION, [], answer_format)
    shown = render(QUESTION, [Shot(QUESTION, 1)], answer_format)
    assert shown == f"{asked}{written}{answer_format.separator}{asked}"


def test_shots_keep_their_order_and_their_own_labels():
    prompt = render(QUESTION, [Shot(QUESTION, 0), Shot(OTHER, 1)], PAREN)
    assert prompt == f"{PROMPT} (A)\n\n2 + 2?\nx. 3\ny. 4\nAnswer: (y)\n\n{PROMPT}"


@pytest.mark.parametrize(
    ("passage", "written"),
    [
        ("", "(x) 3; (y) 4; Context: Q: 2 + 2? =>"),
        ("Sums.", "(x) 3; (y) 4; Context: Sums.\nQ: 2 + 2? =>"),
    ],
)
def test_a_custom_format_is_written_as_it_says(passage, written):
    assert render(replace(OTHER, passage=passage), [], OWN) == written


@pytest.mark.parametrize(
    "part", ["{options}", "{text}", "{label}", "{passage}", "{0}", "{", "\\1", "{{text}}"]
)
def test_what_a_question_says_is_no_template(part):
    question = Question(f"t{part}", (f"o{part}", f"p{part}"), (f"a{part}", "b"), f"P{part}")
    assert render(question, [], LETTER) == (
        f"P{part}\nt{part}\na{part}. o{part}\nb. p{part}\nAnswer:"
    )
    assert answer(question, 0, TEXT) == f" o{part}"


def test_other_braces_of_a_template_stand_for_themselves():
    odd = Format(question='{"q": "{text}", {} {0} {{label}}', option="{text}", answer="{{text}}")
    assert render(OTHER, [], odd) == '{"q": "2 + 2?", {} {0} {{label}}'
    assert answer(OTHER, 1, odd) == "{4}"


@pytest.mark.parametrize(
    "answer_format",
    [*WRITTEN, Format(question="{options}{text}{text}{passage}{label}", option="{text}{text}{x}")],
    ids=str,
)
@pytest.mark.parametrize("passage", ["", "Of {text} and animals."])
def test_a_length_is_told_without_writing(answer_format, passage):
    """What is far too long is refused before it costs anything."""
    question = replace(QUESTION, text="{options}?", passage=passage)
    shots = [Shot(question, 2), Shot(OTHER, 0)]
    assert asked_length(question, answer_format) == len(render(question, [], answer_format))
    assert worked_length(shots, answer_format) + asked_length(question, answer_format) == len(
        render(question, shots, answer_format)
    )


def test_only_shots_of_a_usual_length_are_kept():
    usual = [Shot(QUESTION, 2)]
    long = [Shot(replace(QUESTION, text="?" * 100_000), 2)]
    assert worked(usual, PAREN) is worked(usual, PAREN)
    assert worked(long, PAREN) is not worked(long, PAREN), (
        "what callers choose is not held for them"
    )


@pytest.mark.parametrize(
    ("written", "lead", "reads_text"),
    [
        (" {label}", " ", False),
        ("{label})", "", False),
        (": '{text}'.", ": '", True),
        ("{ {label}", "{ ", False),
    ],
)
def test_what_is_read_ends_with_the_label_or_the_text(written, lead, reads_text):
    own = Format(answer=written)
    assert (own.lead, own.reads_text) == (lead, reads_text)


def test_the_names_of_formats_are_part_of_stored_scopes():
    assert {name: each.key for name, each in BUILT_IN.items()} == {
        "letter": "letter",
        "paren": "paren",
        "paren-options": "paren-options",
        "text": "text",
        "decision-1": "decision-1",
    }
    assert Format(identifier="The answer is").key == "custom-4fb5377478247ec3"


def test_letters_are_the_alphabet():
    assert letters(2) == ("A", "B")
    assert letters(26) == tuple(string.ascii_uppercase)
    assert letters(128)[25:54] == ("Z", *(f"A{each}" for each in letters(26)), "BA", "BB")
    assert len(set(letters(128))) == 128
