"""The OpenAPI document is right in itself, and of what the service takes and says."""

import pytest
from jsonschema import Draft202012Validator

SCORE = "/trueodds.v1.ScoringService/Score"
ASKED = {
    "settings": {"model": "models/aligned", "topTokens": 2},
    "question": {"text": "Which one?", "options": [{"text": "this"}, {"text": "that"}]},
}


@pytest.fixture
def document(http):
    return http.get("/openapi.json").json()


def validator(document, name):
    schema = {**document["components"]["schemas"][name], "components": document["components"]}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_every_reference_leads_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            value = value.values()
        if not isinstance(value, str | int | float | None):
            for each in value:
                yield from references(each)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert {*references(document)} <= known


def test_it_has_every_path(document):
    assert {SCORE, "/v1/decisions", "/v1/systemone"} <= document["paths"].keys()
    fit = document["paths"]["/trueodds.v1.CalibrationService/FitCalibrator"]["post"]
    assert "application/x-ndjson" in fit["responses"]["200"]["content"]


def test_what_is_asked_and_answered_is_as_it_says(document, http):
    validator(document, "trueodds.v1.ScoreRequest").validate(ASKED)
    said = http.post(SCORE, json=ASKED).json()
    validator(document, "trueodds.v1.ScoreResponse").validate(said)
    models = http.post("/trueodds.v1.ModelService/ListModels", json={}).json()
    validator(document, "trueodds.v1.ListModelsResponse").validate(models)
    error = http.post(SCORE, json={}).json()
    validator(document, "google.rpc.Status").validate(error)


@pytest.mark.parametrize("questions", [[], [{"type": "guess", "instructions": "?"}]])
def test_a_body_that_is_refused_is_not_as_it_says(document, questions):
    body = {"model": "aligned", "input": "It is late.", "questions": questions}
    assert not validator(document, "decisions.Request").is_valid(body)
    good = [{"type": "predicate", "instructions": "Is it late?"}]
    assert validator(document, "decisions.Request").is_valid({**body, "questions": good})
