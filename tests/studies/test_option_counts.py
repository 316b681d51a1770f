"""A question with fewer options is as honest as the whole one."""

from collections import Counter

import pytest
from studies.option_counts import fewer

from trueodds_demo.world import Example
from trueodds_service.prompts.question import Question, letters

ODDS = (0.4, 0.3, 0.2, 0.1)


def example(answer: int) -> Example:
    return Example("t", Question("Which?", ("p", "q", "r", "s"), letters(4)), answer, ODDS)


@pytest.mark.parametrize("answer", range(4))
@pytest.mark.parametrize("seed", range(5))
def test_of_fewer_options_the_answer_is_one_in_the_order_that_they_had(answer, seed) -> None:
    whole = example(answer)
    said = whole.question.options[answer]
    found = [fewer(whole, options, seed) for options in (2, 3, 4)]
    assert (found[-1].question, found[-1].answer) == (whole.question, answer)
    assert found[-1].distribution == pytest.approx(ODDS)
    for options, each in zip((2, 3, 4), found, strict=True):
        assert each.question.options[each.answer] == said
        assert list(each.question.options) == sorted(each.question.options)
        assert each.question.labels == letters(options)
        assert sum(each.distribution) == pytest.approx(1)
    assert {*found[0].question.options} < {*found[1].question.options}


def test_the_answers_are_distributed_as_they_are_said_to_be() -> None:
    """Of the questions that show the same two options, each in its share."""
    shown: Counter[tuple[tuple[str, ...], int]] = Counter()
    for answer, odds in enumerate(ODDS):
        for seed in range(300):
            each = fewer(example(answer), 2, seed)
            shown[each.question.options, each.answer] += odds
    for options in {options for options, _ in shown}:
        first, second = shown[options, 0], shown[options, 1]
        weights = [ODDS["pqrs".index(each)] for each in options]
        assert first / (first + second) == pytest.approx(weights[0] / sum(weights), abs=0.05)
