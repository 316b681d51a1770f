"""Files with temperatures that circulate: taken in, used, and written as others read them."""

import numpy as np
import pytest

from trueodds_service.http.decisions.temperatures import File, file_of

IMPORT, EXPORT = "/v1/decisions/temperatures/import", "/v1/decisions/temperatures/export"


@pytest.fixture
def post(http, task):
    def post(path, status=200, **body):
        response = http.post(path, json={"model": "aligned", "task": task, **body})
        assert response.status_code == status, response.text
        return response.json()

    return post


@pytest.fixture
def decide(client, task):
    """The answer to a choice of so many options, and to a predicate."""

    def decide(options):
        choices = [{"value": f"option {number}"} for number in range(options)]
        questions = [
            {"type": "choice", "name": task, "instructions": "Which?", "choices": choices},
            {"type": "predicate", "name": task, "instructions": "Is it so?"},
        ]
        asked = client.decisions.create(model="aligned", input="Now.", questions=questions)
        return asked.answers

    return decide


def tempered(raw, temperature):
    scores = np.log(raw) / temperature
    return np.exp(scores) / np.exp(scores).sum()


def test_one_temperature_is_for_every_type_and_number_of_options(post, decide):
    kept = post(IMPORT, file={"format_version": 1, "temperature": 2.25}, activate=True)
    scopes = {(e["scope"]["reading"], e["scope"].get("options", 0)) for e in kept["calibrators"]}
    kinds = ("predicate", "choice", "score")
    assert scopes == {(f"{kind}+decision-1", 0) for kind in kinds}
    assert all(each["active"] and each["temperature"] == 2.25 for each in kept["calibrators"])
    for options in (2, 5):
        choice, predicate = decide(options)
        assert choice.calibrated
        assert predicate.calibrated
        found = [each.probability for each in choice.probabilities]
        assert found == pytest.approx(tempered(choice.raw_probabilities, 2.25), abs=1e-9)
    assert post(EXPORT) == {"format_version": 1, "temperature": 2.25}


@pytest.mark.parametrize(
    "file",
    [
        {"decision_temperature": 2.25},
        {"decision_temperature": 2.25, "temperature": 2.25},
        {"format_version": 1, "decision_temperature": 2.25},
        {"decision_temperature": 2.25, "temperature_by_options": {"3": 2.25}},
    ],
)
def test_a_checkpoints_decision_temperature_is_the_one_of_all(post, decide, file):
    post(IMPORT, file=file, activate=True)
    for answer in (*decide(2), *decide(5)):
        assert answer.calibrated
    found = [each.probability for each in decide(3)[0].probabilities]
    assert found == pytest.approx(tempered(decide(3)[0].raw_probabilities, 2.25), abs=1e-9)
    assert post(EXPORT)["temperature"] == 2.25


def test_temperatures_by_the_number_of_options(post, decide):
    file = {"temperature_by_options": {"2": 3.0, "4": 1.5}}
    post(IMPORT, file=file, activate=True)
    choice, predicate = decide(4)
    assert [each.probability for each in choice.probabilities] == pytest.approx(
        tempered(choice.raw_probabilities, 1.5), abs=1e-9
    )
    assert predicate.calibrated
    assert not decide(3)[0].calibrated, "of three nothing was said"
    assert post(EXPORT) == file


RULE = {"temperature": 1.0, "temperature_by_options": {"a": 10.124, "b": -1.633, "min": 0.05}}


def test_a_rule_by_the_number_of_options(post, decide):
    """That of a model that is published with a decider_config.json."""
    post(IMPORT, file=RULE, options=[2, 4], activate=True)
    choice, predicate = decide(4)
    expected = tempered(choice.raw_probabilities, 10.124 - 1.633 * np.log(4))
    assert [each.probability for each in choice.probabilities] == pytest.approx(expected, abs=1e-9)
    assert predicate.probability == pytest.approx(
        tempered(predicate.raw_probabilities, 10.124 - 1.633 * np.log(2))[0], abs=1e-9
    )
    assert not decide(3)[0].calibrated, "it was not kept for three"


def test_a_rule_has_a_least_temperature():
    falling = File.model_validate({"temperature_by_options": {"a": 1.0, "b": -1.0}})
    [low] = {
        each
        for by_options in falling.temperatures([255]).values()
        for each in [*by_options.values()]
    }
    assert low == 0.05


@pytest.mark.parametrize("file", [{"a": 1.5, "b": 0.5}, {"a": 1, "b": 2, "min": 0.5}])
def test_a_rule_whose_numbers_might_be_temperatures_is_a_rule(post, decide, file):
    post(IMPORT, file={"temperature_by_options": file}, options=[4], activate=True)
    choice = decide(4)[0]
    expected = tempered(choice.raw_probabilities, file["a"] + file["b"] * np.log(4))
    assert [each.probability for each in choice.probabilities] == pytest.approx(expected, abs=1e-9)


def test_numbers_of_options_are_for_a_rule(post):
    error = post(IMPORT, status=400, file={"temperature": 2.0}, options=[2])["error"]
    assert (error["param"], "with a rule" in error["message"]) == ("options", True)


def test_nothing_is_used_before_it_is_activated(post, decide):
    kept = post(IMPORT, file={"temperature": 2.0})
    assert not any(each["active"] for each in kept["calibrators"])
    assert not decide(3)[0].calibrated
    refused = post(EXPORT, status=400)
    assert refused["error"]["code"] == "NOT_CALIBRATED"


@pytest.mark.parametrize(
    "file",
    [
        {"format_version": 1, "temperature": 1.5},
        {"temperature_by_options": {"2": 3.0, "255": 0.5}},
        {"format_version": 1, "temperature": 1.5, "temperature_by_options": {"3": 2.0}},
        {"temperature_by_type": {"choice": 2.0}},
        {"temperature_by_type": {"choice": 1.48, "noul": 2.22, "score": 1.38}},
        {
            "temperature_by_type": {
                "noul": {"temperature_by_options": {"2": 1.5}},
                "score": {"temperature": 2.0, "temperature_by_options": {"5": 1.0}},
            }
        },
    ],
)
def test_what_is_written_says_what_was_read(file):
    assert file_of(File.model_validate(file).temperatures()) == file


def test_a_type_goes_before_what_is_said_of_all(post):
    file = {"temperature": 2.0, "temperature_by_type": {"noul": {"temperature": 3.0}}}
    kept = post(IMPORT, file=file)["calibrators"]
    found = {each["scope"]["reading"]: each["temperature"] for each in kept}
    assert found == {
        "predicate+decision-1": 3.0,
        "choice+decision-1": 2.0,
        "score+decision-1": 2.0,
    }


@pytest.mark.parametrize(
    ("file", "field", "why"),
    [
        ({}, "file", "has no temperature"),
        ({"temperature": 0}, "file.temperature", "greater than or equal to 0.001"),
        ({"temperature": "2"}, "file.temperature", "valid number"),
        ({"format_version": 2, "temperature": 1.0}, "file.format_version", "equal to 1"),
        ({"format_version": True, "temperature": 1.0}, "file.format_version", "valid integer"),
        ({"format_version": 1.0, "temperature": 1.0}, "file.format_version", "valid integer"),
        ({"temperature": 1.0, "bias": [1]}, "file.bias", "no field here"),
        (
            {"decision_temperature": 0},
            "file.decision_temperature",
            "greater than or equal to 0.001",
        ),
        (
            {"decision_temperature": 2.0, "temperature": 1.0},
            "file.decision_temperature",
            "leave one of them out",
        ),
        (
            {"decision_temperature": 2.0, "temperature_by_options": {"2": 1.0}},
            "file.decision_temperature",
            "leave one of them out",
        ),
        (
            {"decision_temperature": 2.0, "temperature_by_type": {"score": {"temperature": 1.0}}},
            "file.decision_temperature",
            "leave one of them out",
        ),
        (
            {"temperature_by_type": {"choice": {"decision_temperature": 2.0}}},
            "file.temperature_by_type.choice.decision_temperature",
            "no field here",
        ),
        ({"temperature_by_options": {"1": 2.0}}, "file.temperature_by_options", "from 2 to 255"),
        ({"temperature_by_options": {"02": 2.0}}, "file.temperature_by_options", "from 2 to 255"),
        (
            {"temperature_by_type": {"noul": {"temperature": 1}, "predicate": {"temperature": 2}}},
            "file.temperature_by_type.predicate",
            "by another name",
        ),
        (RULE, "options", "such as [2, 3, 4]"),
        (
            {**RULE, "temperature_by_type": {"score": 1.0}},
            "file.temperature_by_options",
            "leave temperature_by_type out",
        ),
        ({**RULE, "decision_temperature": 1.0}, "file.decision_temperature", "leave one of them"),
        (
            {"temperature_by_options": {"a": 1.0, "b": 1.0, "c": 1.0}},
            "file.temperature_by_options.c",
            "no field here",
        ),
        ({"temperature_by_options": {"2": 0}}, "file.temperature_by_options.2", "0.001"),
        ({"temperature_by_options": {"a": 1.0}}, "file.temperature_by_options", "no number from"),
        (
            {"temperature_by_type": {"predicate": {"temperature_by_options": {"4": 2.0}}}},
            "file.temperature_by_type.predicate.temperature_by_options",
            "has 2 options",
        ),
    ],
)
def test_what_is_no_such_file_is_refused_by_its_field(post, file, field, why):
    error = post(IMPORT, status=400, file=file)["error"]
    assert error["param"] == field
    assert why in error["message"]


def test_a_calibrator_that_changes_nothing_has_the_temperature_one(post, http, task):
    decision = {"input": "Now.", "questions": [{"type": "predicate", "instructions": "So?"}]}
    body = {"model": "aligned", "decisions": [decision], "task": task, "method": "identity"}
    http.post("/v1/decisions/calibrators", json=body | {"activate": True}).raise_for_status()
    assert post(EXPORT) == {"temperature_by_type": {"noul": {"temperature_by_options": {"2": 1.0}}}}


def test_what_is_more_than_a_temperature_is_not_written_as_one(post, http, task):
    score = {"type": "score", "name": task, "instructions": "How?"}
    score["levels"] = [{"label": name} for name in ("low", "high")]
    decisions = [
        {"input": f"Message {number}.", "questions": [score], "answers": [number % 2]}
        for number in range(40)
    ]
    body = {"model": "aligned", "decisions": decisions, "method": "vector"}
    [fitted] = http.post("/v1/decisions/calibrators", json=body).json()["calibrators"]
    named = {"name": fitted["name"], "force": True}
    http.post("/trueodds.v1.CalibrationService/ActivateCalibrator", json=named).raise_for_status()
    error = post(EXPORT, status=400)["error"]
    assert error["code"] == "NOT_A_TEMPERATURE"
    assert fitted["name"] in error["message"]
