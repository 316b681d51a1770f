"""From sequences of tokens to options."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.core.arrays.option_scores import (
    mutual_information,
    option_logprobs,
    union_mass,
)

VOCABULARY = (0, 1, 2)
LENGTH = 4


@st.composite
def languages(draw):
    """Some sequences, and the probability of every sequence of the greatest length."""
    sequences = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=LENGTH).map(tuple)
    asked = draw(st.lists(sequences, min_size=1, max_size=6, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    texts = list(product(VOCABULARY, repeat=LENGTH))
    return asked, dict(zip(texts, rng.dirichlet(np.ones(len(texts))), strict=True))


@given(languages())
def test_the_mass_is_that_of_all_texts_that_begin_with_an_option(language):
    asked, texts = language

    def begins(text, options):
        return any(text[: len(option)] == option for option in options)

    logprobs = np.log([sum(p for text, p in texts.items() if begins(text, [o])) for o in asked])
    expected = sum(p for text, p in texts.items() if begins(text, asked))
    assert union_mass(asked, logprobs) == pytest.approx(expected)


def test_rounding_makes_no_mass_above_one():
    assert union_mass([(1,), (2,)], np.log([0.5, 0.5 + 1e-9])) == 1.0


def test_the_ways_to_write_an_option_add_up():
    logprobs = np.log([0.1, 0.2, 0.3])
    assert np.exp(option_logprobs(logprobs, [[0, 2], [1]])) == pytest.approx([0.4, 0.2])


def test_an_option_that_cannot_be_written_has_no_mass():
    assert option_logprobs(np.array([-np.inf, -np.inf]), [[0, 1]]).tolist() == [-np.inf]


def test_the_information_is_what_the_question_adds_and_none_makes_up_for_what_is_ruled_out():
    given_question, alone = np.log([0.5, 0.25]), np.log([0.25, 0.5])
    assert mutual_information(given_question, alone) == pytest.approx(np.log([2.0, 0.5]))
    nothing = np.array([-np.inf, -np.inf])
    assert mutual_information(nothing, np.array([-1.0, -np.inf])).tolist() == [-np.inf, -np.inf]
