"""The models, by name, ready or not."""

import pytest

from trueodds_service.errors import NotFound, NotReady, Unavailable
from trueodds_service.flows.catalog import State


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


def test_a_cause_is_told_while_a_model_does_not_answer(house):
    entry = house.catalog.find("aligned")
    served = entry.ready()
    assert (entry.state, entry.cause) == (State.READY, "")
    entry.failed("no tokenizer")
    assert (entry.state, entry.cause) == (State.FAILED, "no tokenizer")
    with pytest.raises(NotReady, match="models/aligned has failed: no tokenizer") as caught:
        entry.ready()
    assert caught.value.reason == "MODEL_FAILED"
    entry.served = served
    assert (entry.state, entry.cause) == (State.READY, "")
    entry.lost()
    assert (entry.state, entry.cause) == (State.LOST, "")
    with pytest.raises(Unavailable, match="the engine of models/aligned was lost") as gone:
        entry.ready()
    assert gone.value.reason == "ENGINE_LOST"
    assert gone.value.retry_seconds > 0
