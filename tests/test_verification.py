"""What `make verify` holds the service to, too long for every run, knows every format."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from verification.calibration_result import agreement, at_least
from verification.cases import ANSWERED, prompt_of

from trueodds import Format
from trueodds_demo.questions import scored_questions, shots
from trueodds_service.prompts import question as domain
from trueodds_service.prompts.formats import BUILT_IN, render


def asked(question):
    options = tuple(question.options)
    return domain.Question(question.text, options, domain.letters(len(options)), question.passage)


@pytest.mark.parametrize("answer_format", Format)
def test_its_prompts_are_those_of_the_service(answer_format):
    assert answer_format in ANSWERED
    built_in = BUILT_IN[answer_format.value.replace("_", "-")]
    worked = shots("knowledge")[:2]
    given = [domain.Shot(asked(each.question), each.answer) for each in worked]
    [question] = scored_questions("openbook", 1)
    theirs = render(asked(question), given, built_in)
    assert prompt_of(question, worked, answer_format) == theirs


def test_a_result_is_written_whatever_kind_of_number_it_is_of():
    results = [
        agreement("x", "y", 2, np.float32([1, 2]), np.float32([1, 2])),
        at_least("x", "y", 2, np.float64(1.5), 1.0),
    ]
    written = json.loads(json.dumps([asdict(each) for each in results]))
    assert [each["passed"] for each in written] == [True, True]
