"""JSON is read as protobuf's mapping has it, and no looser; what is refused is named."""

import json

import pytest

from trueodds.v1 import calibration_pb2, scoring_pb2
from trueodds_service.errors import InvalidInput
from trueodds_service.rpc.as_json import _of_json

HUGE = 10**400


def read(said, kind=scoring_pb2.ScoreRequest):
    return _of_json(json.dumps(said).encode(), kind())


def refused(said, kind=scoring_pb2.ScoreRequest):
    with pytest.raises(InvalidInput) as caught:
        read(said, kind)
    return caught.value.field, caught.value.message


@pytest.mark.parametrize("value", [True, "1_0", "ten", " 1", "\u0967", "", [1], {}, HUGE, "1e999"])
def test_no_number(value):
    assert refused({"settings": {"minConfidence": value}})[0] == "settings.min_confidence"


@pytest.mark.parametrize(
    "value", [True, 1.5, "1.5", "1_0", "1 ", "x", [], 2**31, "3000000000", -(2**31) - 1, HUGE]
)
def test_no_integer(value):
    assert refused({"settings": {"topTokens": value}})[0] == "settings.top_tokens"


@pytest.mark.parametrize("value", [True, 1.9, "1.0", "0_1", "OTHER", [], {}, HUGE])
def test_no_enum(value):
    field, message = refused({"settings": {"reading": {"format": value}}})
    assert field == "settings.reading.format"
    assert message.startswith("has to be one of FORMAT_LETTER, ")


def test_numbers_that_json_has_not_are_refused_by_their_field():
    for said in (b"NaN", b"Infinity", b"1e999"):
        with pytest.raises(InvalidInput) as caught:
            _of_json(b'{"settings": {"minConfidence": %b}}' % said, scoring_pb2.ScoreRequest())
        assert caught.value.field == "settings.min_confidence"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"settings": {"reading": []}}, "settings.reading"),
        ({"settings": {"reading": "x"}}, "settings.reading"),
        ({"settings": {"reading": {"labelPrior": [0.5, True]}}}, "settings.reading.label_prior[1]"),
        ({"settings": {"reading": {"labelPrior": 0.5}}}, "settings.reading.label_prior"),
        ({"settings": {"requireCalibrated": "true"}}, "settings.require_calibrated"),
        ({"settings": {"requireCalibrated": 1}}, "settings.require_calibrated"),
        ({"settings": {"model": 1}}, "settings.model"),
        ({"question": {"options": {}}}, "question.options"),
        ({"question": {"options": [{}, None]}}, "question.options[1]"),
        (
            {"question": {"options": [{}, {"tokenIds": [1, -1]}]}},
            "question.options[1].token_ids[1]",
        ),
        (
            {"question": {"prompt": {"tokenIds": {"ids": ["x"]}}}},
            "question.prompt.token_ids.ids[0]",
        ),
        ({"question": {"prompt": {"text": "a", "chat": {}}}}, "question.prompt.chat"),
        ({"settings": {"shots": [{"answer": "x"}]}}, "settings.shots[0].answer"),
    ],
)
def test_what_is_refused_is_named_with_its_place(said, field):
    assert refused(said)[0] == field


def test_a_field_in_both_spellings_is_refused():
    """The last would win without a word."""
    said = {"settings": {"minConfidence": 0.5, "min_confidence": 0.9}}
    assert refused(said) == ("settings.min_confidence", "is here in two spellings")


def test_bytes_that_are_none_are_named():
    said = {"outcomes": [{"receipt": "YWJj"}, {"receipt": "a"}]}
    assert refused(said, calibration_pb2.RecordOutcomesRequest)[0] == "outcomes[1].receipt"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"minConfidence": "0.5"}, {"min_confidence": 0.5}),
        ({"minConfidence": 1}, {"min_confidence": 1.0}),
        ({"minConfidence": "-Infinity"}, {"min_confidence": float("-inf")}),
        ({"topTokens": "3"}, {"top_tokens": 3}),
        ({"topTokens": 3.0}, {"top_tokens": 3}),
        ({"topTokens": "1e1"}, {"top_tokens": 10}),
        ({"topTokens": None, "task": None}, {}),
        ({"answerSet": {"method": 1}}, {"answer_set": {"method": 1}}),
        ({"answerSet": {"method": "1"}}, {"answer_set": {"method": 1}}),
        ({"answerSet": {"method": "ANSWER_SET_METHOD_LAC"}}, {"answer_set": {"method": 1}}),
        ({"requireCalibrated": False}, {"require_calibrated": False}),
        ({"task": "\U0001f600"}, {"task": "\U0001f600"}),
    ],
)
def test_what_the_mapping_allows_is_read(said, expected):
    assert read({"settings": said}).settings == scoring_pb2.ScoreSettings(**expected)


def test_one_of_several_may_stand_beside_nulls():
    asked = read({"question": {"prompt": {"text": "a", "chat": None, "specialText": None}}})
    assert asked.question.prompt.text == "a"


def test_maps_are_looked_into():
    said = {"metrics": {"nll": 0.5, "ece": True}}
    assert refused(said, calibration_pb2.Calibrator)[0] == "metrics"
    assert read({"metrics": {"nll": "0.5"}}, calibration_pb2.Calibrator).metrics["nll"] == 0.5


def test_protobufs_own_messages_have_forms_of_their_own():
    made = read({"createTime": "2026-01-01T00:00:00Z"}, calibration_pb2.Calibrator)
    assert made.create_time.seconds == 1767225600
    assert refused({"createTime": "secret"}, calibration_pb2.Calibrator) == (
        "body",
        "is not what the contract has here",
    )
