"""Questions with answers, as somebody pastes them into the page that measures."""

import json
import re

import httpx
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
                {"answer": 2},
                {"answer": -1},
                {"answer": None},
            )
        ),
        '{"text": NaN, "options": ["a", "b"], "answer": 0}',
        '{"text": "Which?", "options": ["a", 1e999], "answer": 0}',
        "[]",
        "1",
        "[" * 10_000,
    ],
)
def test_what_is_none_is_refused_with_its_line(wrong):
    with pytest.raises(InvalidInput, match="is no question with its answer") as caught:
        list(questions(f"{json.dumps(ROW)}\n{wrong}"))
    assert caught.value.field == "line 2"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('{"text": "Which?", "options": [1, 2, 3], "answer": 2}', "a place or another option"),
        ('{"text": "Which?", "options": [1.0, 2.0], "answer": 1}', "a place or another option"),
        ('{"text": "Which?", "options": ["1", "2"], "answer": 1}', "a place or another option"),
        ('{"text": "Which?", "options": ["a", "a"], "answer": "a"}', "text of several options"),
        ('{"text": "1?", "text": "2?", "options": ["a", "b"], "answer": 0}', "a field twice"),
        ('{"text": "1?", "options": ["a", "b"], "answer": 0, "secret": 1}', "is not known here"),
    ],
)
def test_what_may_mean_several_things_is_not_guessed(wrong, reason):
    """The line is counted as an editor does, with those that are left out."""
    with pytest.raises(InvalidInput, match=reason) as caught:
        list(questions(f"\n\n{json.dumps(ROW)}\n{wrong}"))
    assert caught.value.field == "line 4"
    assert "secret" not in caught.value.message


def test_a_number_that_is_the_option_at_its_own_place_is_clear():
    row = {**ROW, "options": [0, 1], "id": "of the file's"}
    assert [each["answer"] for each in questions(json.dumps(row))] == [1]


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x1c"])
def test_only_a_line_break_ends_a_line(sign):
    row = json.dumps({**ROW, "text": f"a{sign}b"}, ensure_ascii=sign == "\x1c")
    [found] = questions(row)
    assert found["question"]["text"] == f"a{sign}b"


def test_a_fault_that_the_contract_finds_is_told_with_its_line(service, taught):
    rows = [{**ROW, "options": ["a", "b"]}, {**ROW, "options": ["a"], "answer": 0}]
    url = f"{service.url}/console/calibrators/aligned/{taught}/measure"
    with httpx.Client(timeout=30, headers={"origin": service.url}) as client:
        token = re.search(r'name="token" value="([^"]+)"', client.get(url).text)[1]
        told = client.post(
            url, data={"token": token, "questions": "\n\n".join(map(json.dumps, rows))}
        )
    assert told.status_code == 400
    assert '<p class="notice bad" role="alert">Line 3: options: ' in told.text


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
