"""A decision's receipt: the truth about it comes later, and its calibrator is watched by it."""

import pytest

from trueodds_service.errors import Unavailable

RECORD = "/trueodds.v1.CalibrationService/RecordOutcomes"
DRIFT = "/trueodds.v1.CalibrationService/GetDrift"
MESSAGES = [f"Message {number}." for number in range(12)]


@pytest.fixture
def post(http):
    def post(path, **body):
        response = http.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    return post


@pytest.fixture
def fitted(post):
    """Fits and activates a calibrator of one question; its name."""

    def fitted(question, **how):
        decisions = [{"input": each, "questions": [question]} for each in MESSAGES]
        body = {"model": "aligned", "method": "teacher_kl", "activate": True, **how}
        [calibrator] = post("/v1/decisions/calibrators", decisions=decisions, **body)["calibrators"]
        return calibrator["name"]

    return fitted


@pytest.fixture
def decide(post):
    def decide(question, said, **more):
        body = {"model": "aligned", "input": said, "questions": [question], "receipts": True}
        [answer] = post("/v1/decisions", **{**body, **more})["answers"]
        return answer

    return decide


def metrics(post, calibrator):
    """Of a calibrator's answers whose outcome was told: how many, and what became of them."""
    drift = post(DRIFT, name=calibrator)["drift"]
    found = drift["sinceFirst"]["after"]["metrics"]
    return drift["outcomes"], found["accuracy"]["value"], found["confidence"]["value"]


@pytest.mark.parametrize("how", [{}, {"order": "cyclic"}, {"label_seed": 5}], ids=str)
def test_outcomes_of_decisions_tell_of_the_calibrator_that_answered(
    fitted, decide, post, team, how
):
    calibrator = fitted(team, **how)
    answers = [decide(team, each, **how) for each in MESSAGES]
    assert {each["calibrator"] for each in answers} == {calibrator}
    values = ["billing", "sales", False]
    # The first value is right, wherever its label stood.
    told = [{"receipt": each["receipt"], "option": 0} for each in answers]
    assert post(RECORD, outcomes=told)["recorded"] == len(MESSAGES)
    right = sum(each["choice"] == values[0] for each in answers) / len(answers)
    confidence = sum(each["confidence"] for each in answers) / len(answers)
    count, accuracy, said = metrics(post, calibrator)
    assert (count, accuracy) == (len(MESSAGES), pytest.approx(right))
    assert said == pytest.approx(confidence, abs=1e-6)


def test_both_contracts_tell_of_one_calibrator(fitted, decide, post, urgent, task):
    calibrator = fitted(urgent)
    noul = {task: {"type": "noul", "instructions": "Is it urgent?"}}
    body = {"model": "aligned", "state": "Now.", "questions": noul, "receipts": True}
    other = post("/v1/systemone", **body)["answers"][task]
    answers = [decide(urgent, "Now."), other]
    assert {each["calibrator"] for each in answers} == {calibrator}
    # Of a predicate yes is the first option.
    told = [{"receipt": each["receipt"], "option": 0} for each in answers]
    assert post(RECORD, outcomes=told)["recorded"] == 2, "each answer is one of its own"
    count, accuracy, _ = metrics(post, calibrator)
    assert (count, accuracy) == (2, float(other["noul"] >= 0.5))


def test_there_is_a_receipt_where_one_is_asked_for_and_answered(decide, post, urgent):
    assert decide(urgent, "Now.")["receipt"]
    assert decide(urgent, "Now.", receipts=False)["receipt"] is None
    refused = decide(urgent, "Now.", min_option_mass=1)
    assert refused["type"] == "refusal"
    assert "receipt" not in refused, "nothing was answered"


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/systemone"])
def test_no_engine_works_for_receipts_that_cannot_be_sealed(
    service, http, urgent, task, monkeypatch, path
):
    async def away():
        raise Unavailable("the calibrator store does not answer", reason="STORE_UNAVAILABLE")

    monkeypatch.setattr(service.app._outcomes, "key", away)
    engine = service.app._catalog.find("aligned").served.engine
    before = engine.usage.prompts
    asked = {"input": "Now.", "questions": [urgent]}
    if path == "/v1/systemone":
        noul = {task: {"type": "noul", "instructions": "Is it urgent?"}}
        asked = {"state": "Now.", "questions": noul}
    response = http.post(path, json={"model": "aligned", "receipts": True, **asked})
    assert response.status_code == 503
    assert engine.usage.prompts == before


def test_an_option_that_the_answer_did_not_have_is_refused(decide, post, urgent):
    told = [{"receipt": decide(urgent, "Now.")["receipt"], "option": 2}]
    [error] = post(RECORD, outcomes=told)["errors"]
    assert "an answer with 2 options" in error["error"]["message"]


def test_decisions_that_turn_out_wrong_alert_of_their_calibrator(service, fitted, post, team):
    calibrator = fitted(team, method="identity")
    body = {"model": "aligned", "questions": [team], "receipts": True}
    told = []
    for number in range(100):
        [answer] = post("/v1/decisions", **body, input=f"Order {number}.")["answers"]
        chosen = answer["raw_probabilities"].index(max(answer["raw_probabilities"]))
        told.append({"receipt": answer["receipt"], "option": (chosen + 1) % 3})
    assert post(RECORD, outcomes=told)["recorded"] == 100
    service.run(service.app._alerts.look())
    asked = {"model": "models/aligned", "calibrator": calibrator}
    alerts = post("/trueodds.v1.CalibrationService/ListAlerts", **asked)["alerts"]
    assert "KIND_TOO_HIGH" in {each["test"] for each in alerts}
    assert {each["scope"]["reading"] for each in alerts} == {"choice+decision-1"}
