"""Numbers and errors as the pages write them."""

import pytest

from trueodds_service.errors import InvalidInput
from trueodds_service.http.console import words
from trueodds_service.http.console.question import request
from trueodds_service.http.console.visit import sentence

FORM = {"model": "aligned", "task": "", "text": "Which?", "options": "a\nb", "format": ""}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0.0012345, "0.00123"),
        (2.4, "2.4"),
        (99.97, "100"),
        (999.9, "1\u202f000"),
        (1000.0, "1\u202f000"),
        (1234.6, "1\u202f235"),
    ],
)
def test_no_temperature_has_an_exponent(value, said):
    assert words.temperature(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(-0.0002, "0.000"), (-0.0, "0.000"), (-0.0006, "−0.001"), (1.5, "1.500")]
)
def test_no_zero_has_a_sign(value, said):
    assert words.decimal(value) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.005, "0.5"),
        (0.0051, "1"),
        (0.995, "99.5"),
        (0.9995, "over 99.9"),
        (1.0, "100"),
    ],
)
def test_what_is_nearly_all_or_nothing_is_not_written_as_if_it_were(share, said):
    assert words.percent(share) == f"{said}\u202f%"


def test_nearly_a_second_is_one():
    assert [words.duration(each) for each in (0.0124, 0.9997, 1.0)] == ["12 ms", "1.0 s", "1.0 s"]


def test_abbreviations_keep_their_letters():
    assert words.sentence("least held-out NLL") == "Least held-out NLL"


@pytest.mark.parametrize("field", ["settings.min_confidence", "settings.minConfidence"])
def test_an_error_is_told_of_the_field_as_the_page_has_it(field):
    assert sentence(InvalidInput(field, "is wrong")) == "The least confidence: is wrong."
    error = InvalidInput("question.options[1].text", "is empty")
    assert sentence(error) == "Option 2: is empty."


@pytest.mark.parametrize("least", ["nan", "inf", "-1", "101", "many"])
def test_what_is_no_percentage_is_told_as_such(least):
    with pytest.raises(InvalidInput) as caught:
        request({**FORM, "least": least})
    assert sentence(caught.value) == "The least confidence: has to be a percentage, from 0 to 100."


def test_only_a_line_break_parts_options():
    [one, two] = request({**FORM, "options": "a\u2028b\n\nc", "least": "90 %"})["question"][
        "options"
    ]
    assert (one["text"], two["text"]) == ("a\u2028b", "c")
