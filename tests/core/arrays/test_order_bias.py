"""A liking for places or labels is measured and taken out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueodds_service.core.arrays.distributions import softmax
from trueodds_service.core.arrays.order_bias import (
    by_option,
    cyclic_average,
    cyclic_orders,
    label_prior,
    without_prior,
)

LOGITS = st.floats(-20, 20)


def vectors(count):
    return st.lists(LOGITS, min_size=count, max_size=count).map(np.array)


@st.composite
def biased_models(draw):
    """What each option deserves, and what each place adds whatever stands there."""
    count = draw(st.integers(2, 8))
    return draw(vectors(count)), draw(vectors(count))


def scores_of_places(content, bias):
    """What a model says whose logits are content plus bias, under every cyclic order."""
    return [content[list(order)] + bias for order in cyclic_orders(len(content))]


@pytest.mark.parametrize("count", [2, 3, 26, 128])
def test_every_option_stands_at_every_place_once(count):
    orders = np.array(cyclic_orders(count))
    assert orders[0].tolist() == list(range(count))
    for line in [*orders, *orders.T]:
        assert sorted(line) == list(range(count))


@given(biased_models(), st.randoms())
def test_values_of_places_go_to_the_options_that_stood_there(model, random):
    content, _ = model
    order = list(range(len(content)))
    random.shuffle(order)
    assert by_option(content[order], tuple(order)).tolist() == content.tolist()


@given(biased_models())
def test_the_prior_of_a_biased_model_is_its_bias(model):
    content, bias = model
    prior = label_prior([scores_of_places(content, bias)])
    assert prior == pytest.approx(softmax(bias))
    assert prior.sum() == pytest.approx(1)


@given(biased_models())
def test_without_the_prior_only_the_content_is_left(model):
    content, bias = model
    prior = softmax(bias)
    assert softmax(without_prior(content + bias, prior)) == pytest.approx(softmax(content))


@given(biased_models())
def test_the_average_over_cyclic_orders_favours_no_place(model):
    """Turning the options turns the result."""
    content, bias = model

    def corrected(content):
        orders = cyclic_orders(len(content))
        scores = scores_of_places(content, bias)
        return softmax(
            cyclic_average([by_option(s, o) for s, o in zip(scores, orders, strict=True)])
        )

    assert corrected(np.roll(content, 1)) == pytest.approx(np.roll(corrected(content), 1))


@given(biased_models())
def test_the_average_is_the_mean_of_the_distributions(model):
    content, bias = model
    scores = np.array(scores_of_places(content, bias))
    assert softmax(cyclic_average(scores)) == pytest.approx(softmax(scores).mean(axis=0))


def test_several_questions_share_a_prior():
    one = [[0.0, 0.0], [0.0, 0.0]]
    other = [[np.log(3), 0.0], [np.log(3), 0.0]]
    assert label_prior([one, other]) == pytest.approx([(0.5 + 0.75) / 2, (0.5 + 0.25) / 2])


def test_an_option_without_mass_in_one_order_keeps_what_it_has_in_the_others():
    average = cyclic_average([[0.0, -np.inf], [0.0, 0.0]])
    assert np.exp(average) == pytest.approx([0.75, 0.25])
    assert np.isneginf(cyclic_average([[0.0, -np.inf], [0.0, -np.inf]])[1])


def test_a_label_without_mass_has_no_prior():
    with pytest.raises(ValueError, match="finite"):
        label_prior([[[0.0, -np.inf], [0.0, 0.0]]])


@given(biased_models())
def test_the_estimated_prior_takes_the_bias_out_of_every_question(model):
    """PriDe whole: what is left of the model is its content, whichever it likes better."""
    content, bias = model
    asked = scores_of_places(content, bias)
    left = softmax(without_prior(asked[0], label_prior([asked])))
    assert left == pytest.approx(softmax(content))


@given(st.integers(2, 8).flatmap(vectors), LOGITS)
def test_the_average_over_cyclic_orders_takes_a_bias_out_of_equal_options(bias, content):
    scores = scores_of_places(np.full(len(bias), content), bias)
    orders = cyclic_orders(len(bias))
    average = cyclic_average([by_option(s, o) for s, o in zip(scores, orders, strict=True)])
    assert softmax(average) == pytest.approx(np.full(len(bias), 1 / len(bias)))


@given(vectors(2), vectors(2))
def test_of_two_options_the_average_likes_the_better_one(content, bias):
    scores = scores_of_places(content, bias)
    average = softmax(
        cyclic_average([by_option(s, o) for s, o in zip(scores, cyclic_orders(2), strict=True)])
    )
    if abs(content[0] - content[1]) > 1e-6:
        assert average[content.argmax()] > 0.5 - 1e-12
