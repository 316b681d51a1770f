"""The models, by name, ready or not."""

import pytest

from trueodds_service.errors import NotFound, Unavailable


def test_the_models_are_in_the_order_of_the_configuration(house):
    assert [entry.name for entry in house.catalog] == ["aligned", "base"]


def test_a_model_that_is_not_there(house):
    with pytest.raises(NotFound, match="there is no models/other") as caught:
        house.catalog.find("other")
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_a_model_that_is_starting_is_to_be_asked_again(house):
    assert house.catalog.find("aligned").ready()
    house.stop_serving("aligned")
    with pytest.raises(Unavailable, match="models/aligned is starting") as caught:
        house.catalog.find("aligned").ready()
    assert caught.value.reason == "MODEL_STARTING"
    assert caught.value.retry_seconds > 0
