"""A calibrator and its report: read whole from the messages, and kept whole in JSON."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from trueodds import (
    AbstentionRule,
    AnswerSetMethod,
    AnswerSetRule,
    BiasCorrection,
    Calibrator,
    Candidate,
    CascadePart,
    CascadeReport,
    Estimate,
    Example,
    Format,
    Method,
    Normalization,
    Prior,
    Question,
    Reading,
    ReliabilityBin,
    Report,
    RiskCoverage,
    Selection,
)
from trueodds._convert import calibrators as _calibrators
from trueodds._convert import evaluations as _reports
from trueodds.v1 import calibration_pb2 as pb
from trueodds.v1 import reading_pb2

CREATED = datetime(2026, 11, 5, 12, 30, tzinfo=UTC)
CALIBRATOR = {
    "name": "models/a/calibrators/0",
    "scope": {
        "model": "models/a",
        "model_revision": "r",
        "task": "reviews",
        "reading": "paren",
        "format_version": 1,
        "options": 4,
    },
    "method": "METHOD_TEACHER_POOLED",
    "temperature": 2.5,
    "at_bound": True,
    "undetermined": True,
    "degenerate": "its items hold no information about the temperature",
    "provenance": {
        "teacher": "models/t",
        "teacher_revision": "u",
        "items": 5,
        "data_hash": "d",
        "versions": {"trueodds": "1"},
        "labelled": 3,
        "teacher_reading": "letter",
        "prior": {
            "mean": 1.0,
            "standard_deviation": 0.5,
            "calibrators": ["models/a/calibrators/1"],
        },
        "prompts_hash": "p",
        "measured_with": ["models/small/calibrators/2"],
        "outcomes_of": "models/small/calibrators/3",
    },
    "metrics": {"kl_before": 0.5},
    "create_time": CREATED,
    "active": True,
    "parameters": {"temperature": {"values": [2.5]}},
    "fallback": "too few items",
    "selection": {
        "criterion": "nll",
        "reason": "it won",
        "candidates": [
            {"method": "METHOD_KDE", "excluded": "too few items"},
            {"method": "METHOD_VECTOR", "score": 0.5, "standard_error": 0.125},
        ],
    },
    "keeps_choice": True,
    "bias_correction": "BIAS_CORRECTION_BATCH",
}
BIN = {
    "lower": 0.5,
    "upper": 0.625,
    "count": 7,
    "confidence": 0.5625,
    "accuracy": 0.25,
    "accuracy_lower": 0.125,
    "accuracy_upper": 0.375,
}
EVALUATION = {
    "metrics": {"nll": {"value": 0.5, "lower": 0.25, "upper": 0.75}},
    "equal_width": [BIN],
    "equal_mass": [{**BIN, "count": 8}],
    "risk_coverage": [{"min_confidence": 0.75, "coverage": 0.5, "risk": 0.125}],
}
REPORT = {
    "calibrator": CALIBRATOR,
    "items": 9,
    "before": EVALUATION,
    "after": {"metrics": {"nll": {"value": 0.25, "lower": 0.125, "upper": 0.5}}},
    "abstentions": [
        {
            "target_risk": 0.25,
            "min_confidence": 0.75,
            "coverage": 0.5,
            "risk": 0.125,
            "risk_upper_bound": 0.1875,
        },
        {"target_risk": 0.125},
    ],
    "answer_sets": [
        {
            "miscoverage": 0.125,
            "rule": {"method": "ANSWER_SET_METHOD_APS", "threshold": 0.75},
            "mean_size": 1.5,
            "coverage": 0.875,
            "singletons": 0.5,
        }
    ],
    "data_hash": "d",
    "differences": {"nll": {"value": -0.25, "lower": -0.5, "upper": -0.125}},
    "cascade": {
        "target_risk": 0.25,
        "target_passed_on": 0.5,
        "parts": [
            {
                "model": "models/small",
                "asked": 9,
                "answered": 6,
                "risk": {"value": 0.125, "lower": 0.0625, "upper": 0.25},
                "prompt_tokens": 90,
                "cached_tokens": 30,
                "cost": 15.0,
            },
            {"model": "models/large", "asked": 3},
        ],
        "last_alone": {"model": "models/large", "asked": 9, "answered": 9, "prompt_tokens": 99},
        "relative_cost": {"value": 0.5, "lower": 0.25, "upper": 0.75},
    },
}


@pytest.fixture
def report():
    return _reports.report_of(pb.Report(**REPORT))


def test_an_evaluation_is_asked_for_whole():
    oak = Question("Oak?", ["yes", "no"])
    message = _reports.evaluate_message(
        "models/a/calibrators/0",
        items=[Example(Question("Tin?", ["yes", "no"]), 0), Example(oak)],
        reading=Reading(Format.TEXT, Normalization.BYTES),
        shots=[Example(oak, 1)],
        target_risks=[0.25],
        miscoverages=[0.125, 0.5],
    )
    assert message.name == "models/a/calibrators/0"
    assert message.reading == reading_pb2.Reading(
        format=reading_pb2.FORMAT_TEXT, normalization=reading_pb2.NORMALIZATION_BYTES
    )
    tin, last = message.questions.items
    assert (tin.question.text, tin.answer) == ("Tin?", 0)
    assert not last.HasField("answer"), "the server says that it is missing"
    assert [shot.answer for shot in message.questions.shots] == [1]
    assert (message.target_risks, message.miscoverages) == ([0.25], [0.125, 0.5])


def test_a_calibrator_is_read_whole():
    assert _calibrators.calibrator_of(pb.Calibrator(**CALIBRATOR)) == Calibrator(
        name="models/a/calibrators/0",
        model="models/a",
        model_revision="r",
        task="reviews",
        reading="paren",
        options=4,
        method=Method.TEACHER_POOLED,
        temperature=2.5,
        at_bound=True,
        undetermined=True,
        degenerate="its items hold no information about the temperature",
        teacher="models/t",
        items=5,
        created=CREATED,
        active=True,
        metrics={"kl_before": 0.5},
        versions={"trueodds": "1"},
        format_version=1,
        parameters={"temperature": (2.5,)},
        keeps_choice=True,
        bias_correction=BiasCorrection.BATCH,
        fallback="too few items",
        selection=Selection(
            "nll",
            "it won",
            (
                Candidate(Method.KDE, excluded="too few items"),
                Candidate(Method.VECTOR, 0.5, 0.125),
            ),
        ),
        labelled=3,
        data_hash="d",
        prompts_hash="p",
        teacher_revision="u",
        teacher_reading="letter",
        prior=Prior(1.0, 0.5, ("models/a/calibrators/1",)),
        measured_with=("models/small/calibrators/2",),
        outcomes_of="models/small/calibrators/3",
    )


def test_what_a_calibrator_tells_by_name_is_in_the_order_of_the_names():
    """The order of a message's is another in every process, and a file of JSON would be."""
    names = [f"name_{i}" for i in range(9)]
    message = pb.Calibrator(method=pb.METHOD_ISOTONIC)
    for name in reversed(names):
        message.metrics[name] = 0.5
        message.provenance.versions[name] = "1"
        message.parameters[name].values.append(1.0)
    read = _calibrators.calibrator_of(message)
    for told in (read.metrics, read.versions, read.parameters):
        assert list(told) == names


def test_what_a_calibrator_does_not_say_is_none():
    calibrator = _calibrators.calibrator_of(pb.Calibrator(method=pb.METHOD_ISOTONIC))
    assert calibrator.method is Method.ISOTONIC
    assert calibrator.temperature is None
    assert (calibrator.selection, calibrator.prior, calibrator.teacher) == (None, None, None)
    assert calibrator.bias_correction is BiasCorrection.NONE


def test_a_report_is_read_whole(report):
    assert report.calibrator == _calibrators.calibrator_of(pb.Calibrator(**CALIBRATOR))
    assert (report.items, report.data_hash) == (9, "d")
    before, after = report.before, report.after
    assert before.metrics == {"nll": Estimate(0.5, 0.25, 0.75)}
    assert after.metrics == {"nll": Estimate(0.25, 0.125, 0.5)}
    assert report.differences == {"nll": Estimate(-0.25, -0.5, -0.125)}
    bins = ReliabilityBin(**BIN)
    assert before.equal_width == (bins,)
    assert before.equal_mass == (replace(bins, count=8),)
    assert before.risk_coverage == (RiskCoverage(0.75, 0.5, 0.125),)
    assert (after.equal_width, after.equal_mass, after.risk_coverage) == ((), (), ())
    assert report.abstentions == (
        AbstentionRule(0.25, 0.75, 0.5, 0.125, 0.1875),
        AbstentionRule(0.125, None, 0.0, 0.0, 0.0),
    )
    [answer_set] = report.answer_sets
    assert answer_set.rule == AnswerSetRule(AnswerSetMethod.APS, 0.75)
    assert asdict(answer_set) | {"rule": None} == {**REPORT["answer_sets"][0], "rule": None}
    assert report.cascade == CascadeReport(
        0.25,
        0.5,
        (
            CascadePart("models/small", 9, 6, Estimate(0.125, 0.0625, 0.25), 90, 30, 15.0),
            CascadePart("models/large", 3, 0, None, 0, 0, 0.0),
        ),
        CascadePart("models/large", 9, 9, None, 99, 0, 0.0),
        Estimate(0.5, 0.25, 0.75),
    )


def test_every_field_of_a_report_is_in_this_test():
    """A field that the contract gets later is read, or left out on purpose."""
    for kind, said in (
        (pb.Report, REPORT),
        (pb.Evaluation, EVALUATION),
        (pb.ReliabilityBin, BIN),
        (pb.RiskCoverage, EVALUATION["risk_coverage"][0]),
        (pb.AbstentionRule, REPORT["abstentions"][0]),
        (pb.AnswerSetCalibration, REPORT["answer_sets"][0]),
        (pb.CascadeReport, REPORT["cascade"]),
        (pb.CascadePart, REPORT["cascade"]["parts"][0]),
        (pb.Estimate, REPORT["differences"]["nll"]),
        (pb.Calibrator, CALIBRATOR),
        (pb.Scope, CALIBRATOR["scope"]),
        (pb.Provenance, CALIBRATOR["provenance"]),
        (pb.Prior, CALIBRATOR["provenance"]["prior"]),
        (pb.Selection, CALIBRATOR["selection"]),
        (pb.Candidate, {**CALIBRATOR["selection"]["candidates"][1], "excluded": ""}),
    ):
        assert {each.name for each in kind.DESCRIPTOR.fields} == said.keys()


def test_a_report_tells_the_items_of_the_fit(report):
    assert report.in_sample
    assert not replace(report, data_hash="e").in_sample
    unknown = replace(report, data_hash="", calibrator=replace(report.calibrator, data_hash=""))
    assert not unknown.in_sample


def test_a_report_survives_json(report):
    text = report.to_json()
    assert Report.from_json(text) == report
    assert Report.from_json(text.encode()) == report
    assert json.loads(text)["calibrator"]["method"] == "teacher_pooled"
    assert Report.from_json(text).to_json() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": None}, "items: None is not what belongs here"),
        ({"items": True}, "items: True is not what"),
        ({"before": {"metrics": {"nll": {"value": 1, "lower": 0}}}},
         r"before.metrics\['nll'\].upper is missing"),
        ({"before": {"equal_width": [3]}}, r"before.equal_width\[0\]: 3 is not"),
        ({"extra": 1}, "extra is not known"),
        ({"calibrator": {}}, "calibrator.name is missing"),
        ({"after": []}, r"after: \[\] is not"),
    ],
)  # fmt: skip
def test_json_that_is_no_report_says_where(report, change, message):
    content = {**json.loads(report.to_json()), **change}
    with pytest.raises(ValueError, match=message):
        Report.from_json(json.dumps(content))


def test_where_a_report_is_wrong_is_said_in_short(report):
    """The place of each number was written out with the name it is under, of any length."""
    content = json.loads(report.to_json())
    content["calibrator"]["parameters"] = {"x" * 10**5: [1.0, "no"]}
    with pytest.raises(ValueError, match=r"calibrator.parameters\['x+\]\[1\]: 'no'") as refused:
        Report.from_json(json.dumps(content))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["", "[]", "NaN", "{", "1", "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match="is"):
        Report.from_json(text)


def test_a_method_or_a_time_that_nobody_knows_is_refused(report):
    text = report.to_json()
    with pytest.raises(ValueError, match=r"calibrator.method: 'magic' is no Method"):
        Report.from_json(text.replace("teacher_pooled", "magic"))
    with pytest.raises(ValueError, match=r"calibrator.created: 'soon' is no datetime"):
        Report.from_json(text.replace(CREATED.isoformat(), "soon"))


def test_a_number_that_is_none_is_not_written(report):
    broken = replace(report, differences={"nll": Estimate(float("nan"), 0.0, 0.0)})
    with pytest.raises(ValueError, match="JSON compliant"):
        broken.to_json()
