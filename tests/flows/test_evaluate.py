"""What an evaluation refuses: items that the model would be asked otherwise than for the fit."""

import numpy as np
import pytest

from trueodds_service.errors import NotReady
from trueodds_service.flows import evaluate as evaluate_flow
from trueodds_service.flows.evaluate import EvaluateQuery, evaluate_calibrator
from trueodds_service.flows.fit_data import FitQuestions
from trueodds_service.prompts.formats import FORMAT_VERSION

OTHER = {
    "another version of the formats": {"format_version": FORMAT_VERSION + 1},
    "another revision of the model": {"revision": "c" * 16},
    "another way of reading, 'letter', not 'paren'": {"reading": "letter"},
}


@pytest.mark.parametrize(("words", "scope"), OTHER.items(), ids=OTHER)
async def test_a_calibrator_of_other_answers_is_not_measured_on_these(
    house, make_questions, words, scope
):
    calibrator = house.stored(**scope)
    items = FitQuestions((), make_questions(8), np.arange(8) % 4)
    query = EvaluateQuery("aligned", calibrator.id, None, items, (), ())
    with pytest.raises(NotReady, match=words):
        async for _ in evaluate_calibrator(query, house.catalog, house.calibrators):
            pass


async def test_an_evaluation_leaves_the_event_loop_to_others(house, make_questions, in_threads):
    seen = in_threads((evaluate_flow, "distributions"), (evaluate_flow, "data_hash"))
    items = FitQuestions((), make_questions(8), np.arange(8) % 4)
    query = EvaluateQuery("aligned", house.stored().id, None, items, (), ())
    async for _ in evaluate_calibrator(query, house.catalog, house.calibrators):
        pass
    assert seen["distributions"] == seen["data_hash"] == {False}
