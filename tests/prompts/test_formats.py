"""The prompt, word for word."""

import string
from dataclasses import replace

import pytest

from trueodds_service.prompts.formats import BUILT_IN, LETTER, PAREN, TEXT, Format, answer, render
from trueodds_service.prompts.question import (
    ChatPrompt,
    Question,
    Shot,
    TextPrompt,
    TokenIdPrompt,
    letters,
)
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading

QUESTION = Question("Which is a mammal?", ("trout", "bat", "wren"), ("A", "B", "C"))
PROMPT = """\
Which is a mammal?
A. trout
B. bat
C. wren
Answer:"""

SENTIMENT = Format(
    question="Review: {text}\nSentiment:",
    identifier=" It is",
    answer=" {label}.",
    separator="\n#\n",
)


@pytest.mark.parametrize("answer_format", BUILT_IN.values(), ids=BUILT_IN)
def test_a_question_ends_where_its_answer_begins(answer_format):
    assert render(QUESTION, [], answer_format) == PROMPT


def test_a_passage_comes_first():
    question = replace(QUESTION, passage="Of animals.")
    assert render(question, [], PAREN) == f"Of animals.\n{PROMPT}"


@pytest.mark.parametrize(
    ("answer_format", "written"), [(LETTER, " B"), (PAREN, " (B)"), (TEXT, " bat")]
)
def test_a_shot_is_answered_in_the_format(answer_format, written):
    assert answer(QUESTION, 1, answer_format) == written
    prompt = render(QUESTION, [Shot(QUESTION, 1)], answer_format)
    assert prompt == f"{PROMPT}{written}\n\n{PROMPT}"


def test_shots_keep_their_order_and_their_own_labels():
    other = Question("2 + 2?", ("3", "4"), ("x", "y"))
    prompt = render(QUESTION, [Shot(QUESTION, 0), Shot(other, 1)], PAREN)
    assert prompt == f"{PROMPT} (A)\n\n2 + 2?\nx. 3\ny. 4\nAnswer: (y)\n\n{PROMPT}"


def test_a_format_of_the_callers_own():
    shot = Shot(Question("Dull.", ("no", "yes"), ("bad", "good")), 0)
    asked = Question("Funny.", ("no", "yes"), ("bad", "good"))
    assert render(asked, [shot], SENTIMENT) == (
        "Review: Dull.\nSentiment: It is bad.\n#\nReview: Funny.\nSentiment:"
    )
    assert (SENTIMENT.lead, SENTIMENT.reads_text) == (" ", False)


def test_what_a_question_says_is_never_a_template():
    question = Question("{options} {label}?", ("{text}", "{passage}"), ("A", "B"), "{text}")
    assert render(question, [], LETTER) == (
        "{text}\n{options} {label}?\nA. {text}\nB. {passage}\nAnswer:"
    )


def test_other_braces_stand_for_themselves():
    own = Format(question='{"q": {text}} {}\n{options}:')
    assert render(QUESTION, [], own).startswith('{"q": Which is a mammal?} {}\nA. trout')


def test_keys_are_part_of_stored_scopes():
    assert {name: each.key for name, each in BUILT_IN.items()} == {
        "letter": "letter",
        "paren": "paren",
        "text": "text",
    }
    assert Format().key == "letter"
    assert SENTIMENT.key == "custom-67c50d46225ef171"


READINGS = [
    Reading(),
    Reading(LETTER),
    Reading(TEXT),
    Reading(SENTIMENT),
    Reading(replace(SENTIMENT, separator="\n")),
    *(Reading(TEXT, each) for each in Normalization if each is not Normalization.SUM),
    Reading(TEXT, Normalization.PMI, TextPrompt("Answer:")),
    Reading(TEXT, Normalization.PMI, TextPrompt("Answer:", special=True)),
    Reading(variants=True),
    Reading(order=OrderCorrection.CYCLIC),
    Reading(order=OrderCorrection.PRIOR),
    Reading(order=OrderCorrection.PRIOR, label_prior=(0.5, 0.5)),
    Reading(order=OrderCorrection.PRIOR, label_prior=(0.4, 0.6)),
]
PROMPTS = [None, TextPrompt("x"), TokenIdPrompt((1,)), ChatPrompt((("user", "x"),))]


def test_every_way_of_reading_has_a_key_of_its_own():
    keys = [
        reading.key(replace(QUESTION, prompt=prompt)) for reading in READINGS for prompt in PROMPTS
    ]
    assert len(set(keys)) == len(keys)
    assert Reading().key() == Reading().key(QUESTION) == "paren"
    assert Reading(TEXT, Normalization.BYTES).key() == "text+bytes"


def test_a_key_does_not_tell_one_prompt_from_another():
    one, other = (replace(QUESTION, prompt=TextPrompt(text)) for text in ("one", "other"))
    assert Reading().key(one) == Reading().key(other) == "prompt+paren"


def test_letters_are_the_alphabet():
    assert letters(2) == ("A", "B")
    assert letters(26) == tuple(string.ascii_uppercase)
