"""Questions with answers, as somebody pastes them into the page that measures."""

import json

import pytest

from trueodds_service.errors import InvalidInput
from trueodds_service.http.console.measure import as_shown, questions

ROW = {"text": "Which?", "options": ["a", "b"], "answer": 1}


def test_an_answer_is_an_index_or_its_words():
    lines = [ROW, {**ROW, "answer": "b"}, {**ROW, "options": [2, 0.5], "passage": None}]
    found = [*questions("\n\n".join(map(json.dumps, lines)))]
    assert [each["answer"] for each in found] == [1, 1, 1]
    assert found[2]["question"]["options"] == [{"text": "2"}, {"text": "0.5"}]


@pytest.mark.parametrize(
    "wrong",
    [
        '{"text": "Which?", "options": ["a", "b"], "answer": 1e999}',
        '{"text": "Which?", "options": ["a", "b"], "answer": NaN}',
        *(
            json.dumps({**ROW, **changes})
            for changes in (
                # Each of these was read as something: 1, 1, two letters, "None", a list's words.
                {"answer": 1.7},
                {"answer": True},
                {"options": "ab"},
                {"text": None},
                {"text": ["Which?"]},
                {"options": ["a", None]},
                {"answer": "c"},
                {"answer": None},
            )
        ),
        "[]",
        "1",
        "[" * 10_000,
    ],
)
def test_what_is_none_is_refused_with_its_line(wrong):
    with pytest.raises(InvalidInput, match="is no question with its answer") as caught:
        list(questions(f"{json.dumps(ROW)}\n{wrong}"))
    assert caught.value.field == "line 2"


def test_a_cascade_is_measured_against_its_last_model_alone():
    before, after = (
        {"equalWidth": [{"count": 200, "confidence": said, "accuracy": 0.8}], "metrics": {}}
        for said in (0.95, 0.82)
    )
    calibrator = {"name": "models/both/calibrators/3be5584062eed61f"}
    report = {
        "calibrator": {**calibrator, "provenance": {"dataHash": "c4cb"}},
        "items": 200,
        "dataHash": "11aa",
        "before": before,
        "after": after,
        "differences": {"nll": {"lower": -0.1, "upper": 0.1}},
        "abstentions": [],
        "cascade": {
            "parts": [{"model": "models/small"}, {"model": "models/large"}],
            "relativeCost": {"value": 0.625, "lower": 0.5, "upper": 0.75},
        },
    }
    shown = as_shown([report])
    assert shown["sides"][0].title == "large alone"
    assert shown["verdict"].startswith("large alone was right 80\u202f% of the time")
    assert "it cannot be told apart from large alone." in shown["verdict"]
    assert shown["verdict"].endswith("It costs 62\u202f% of large alone (50\u202f% to 75\u202f%).")
    shown = as_shown([{**report, "cascade": None}])
    assert shown["sides"][0].title == "Without"
    assert shown["verdict"].startswith("The model was right")
