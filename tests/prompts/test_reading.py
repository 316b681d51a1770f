"""The name of a way of reading: the same exactly where a calibrator may be shared."""

from itertools import combinations

import pytest

from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format
from trueodds_service.prompts.question import ChatPrompt, Question, TextPrompt, TokenIdPrompt
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading

OPTIONS = ("tin", "oak")
ASKED = Question("Which?", OPTIONS, ("A", "B"))
PROMPTED = Question("", OPTIONS, ("A", "B"), prompt=TextPrompt("Which? "))
TOKENS = Question("", OPTIONS, ("A", "B"), prompt=TokenIdPrompt((5,)), option_ids=((6,), (7,)))
CHAT = Question("", OPTIONS, ("A", "B"), prompt=ChatPrompt((("user", "Which?"),)))
PMI = Normalization.PMI

NAMES = {
    "paren": (Reading(), ASKED),
    "letter": (Reading(LETTER), ASKED),
    "text": (Reading(TEXT), ASKED),
    "text+tokens": (Reading(TEXT, Normalization.TOKENS), ASKED),
    "text+bytes": (Reading(TEXT, Normalization.BYTES), ASKED),
    "text+characters": (Reading(TEXT, Normalization.CHARACTERS), ASKED),
    "letter+variants": (Reading(LETTER, variants=True), ASKED),
    "paren+cyclic": (Reading(order=OrderCorrection.CYCLIC), ASKED),
    "paren+prior": (Reading(order=OrderCorrection.PRIOR), ASKED),
    "prompt+paren": (Reading(), PROMPTED),
    "tokens+paren": (Reading(), TOKENS),
    "chat+paren": (Reading(), CHAT),
    "chat+text+bytes+variants+cyclic": (
        Reading(TEXT, Normalization.BYTES, variants=True, order=OrderCorrection.CYCLIC),
        CHAT,
    ),
}

# What has a hash in its name: the names differ, one from the other and from those above.
OWN = {
    "a format": Reading(Format(identifier=" x")),
    "another question": Reading(Format(question="Q: {text}")),
    "another option": Reading(Format(option="{text}\n")),
    "another answer": Reading(Format(answer="{label}")),
    "another separator": Reading(Format(separator="\n")),
    "pmi": Reading(TEXT, PMI, TextPrompt("Answer:")),
    "pmi of another prompt": Reading(TEXT, PMI, TextPrompt("A:")),
    "pmi of a special prompt": Reading(TEXT, PMI, TextPrompt("Answer:", special=True)),
    "pmi of tokens": Reading(TEXT, PMI, TokenIdPrompt((5,))),
    "pmi of other tokens": Reading(TEXT, PMI, TokenIdPrompt((6,))),
    "pmi of a conversation": Reading(TEXT, PMI, ChatPrompt((("user", "Answer"),))),
    "a prior": Reading(order=OrderCorrection.PRIOR, label_prior=(0.4, 0.6)),
    "another prior": Reading(order=OrderCorrection.PRIOR, label_prior=(0.6, 0.4)),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_reading_is_named_after_what_departs_from_the_defaults(name):
    reading, question = NAMES[name]
    assert reading.key(question) == name


def test_ways_that_differ_have_names_that_differ():
    keys = {name: reading.key(ASKED) for name, reading in OWN.items()}
    keys |= {name: reading.key(question) for name, (reading, question) in NAMES.items()}
    for one, other in combinations(keys, 2):
        assert keys[one] != keys[other], (one, other)


def test_what_a_question_says_is_no_part_of_the_name():
    other = Question("And now?", ("a", "b", "c"), ("x", "y", "z"), passage="Read.")
    for reading in OWN.values():
        assert reading.key(ASKED) == reading.key(other) == reading.key()


def test_a_custom_format_that_is_a_built_in_one_has_its_name():
    assert Reading(Format(identifier=" (", answer="{label})")).key() == Reading(PAREN).key()


def test_names_are_stable():
    """They are stored: a calibrator fitted today has to answer after an upgrade."""
    assert OWN["a format"].key() == "custom-d29aa9172b7edb7a"
    assert OWN["pmi"].key() == "text+pmi-2002fc02bb17d2ca"
    assert OWN["a prior"].key() == "paren+prior-c8457aa2d8503f74"
