"""What is wrong with a question is said where it is made."""

import pickle

import numpy as np
import pytest

from trueodds import Example, InvalidRequest, Question

YES_NO = Question("Is tin a metal?", ("yes", "no"))


def test_any_sequence_of_strings_becomes_a_tuple():
    question = Question("Is tin a metal?", ["yes", "no"], labels=np.array(["y", "n"]))
    assert question.options == ("yes", "no")
    assert question.labels == ("y", "n")
    assert Question("Is tin a metal?", ["yes", "no"]) == YES_NO
    assert len({YES_NO, Question("Is tin a metal?", ["yes", "no"])}) == 1


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"options": "yes"}, TypeError, "options has to be a list of strings, not 'yes'"),
        ({"options": 2}, TypeError, "options has to be a list of strings, not 2"),
        ({"options": ["yes", 2]}, TypeError, r"options\[1\] has to be a string, not 2"),
        ({"labels": "yn"}, TypeError, "labels has to be a list of strings, not 'yn'"),
        ({"labels": ["y"]}, ValueError, "labels: 1 for 2 options"),
        ({"text": None}, TypeError, "text has to be a string, not None"),
        ({"passage": 1.5}, TypeError, "passage has to be a string, not 1.5"),
        ({"text": "\ud800"}, ValueError, "text: half a surrogate pair"),
    ],
)
def test_a_wrong_question_names_its_field(fields, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        Question(**{"text": "Is tin a metal?", "options": ("yes", "no"), **fields})


@pytest.mark.parametrize("answer", [2, -1, 2**40])
def test_an_answer_has_to_be_an_option(answer):
    with pytest.raises(ValueError, match=f"^answer: {answer} is no option; from 0 to 1$"):
        Example(YES_NO, answer)


@pytest.mark.parametrize("answer", ["0", 0.0, True])
def test_an_answer_has_to_be_an_index(answer):
    with pytest.raises(TypeError, match=r"^answer has to be an index from 0"):
        Example(YES_NO, answer)


def test_an_answer_may_be_of_numpy_or_unknown():
    assert type(Example(YES_NO, np.int64(1)).answer) is int
    assert Example(YES_NO).answer is None


def test_an_error_crosses_processes_whole():
    error = pickle.loads(pickle.dumps(InvalidRequest("no", reason="WHY", field="a.b")))  # noqa: S301
    assert isinstance(error, ValueError)
    assert (str(error), error.reason, error.field) == ("no", "WHY", "a.b")
