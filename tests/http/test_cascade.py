"""Decisions of a cascade: each model reads labels of its own, and the answer tells whose it is."""

import httpx
import openai
import pytest

FIT = "/v1/decisions/calibrators"
CHOICE = {
    "type": "choice",
    "name": "team",
    "instructions": "Who should answer?",
    "choices": [{"value": "billing"}, {"value": "sales"}, {"value": "nobody"}],
}
MESSAGES = [f"Message {number}." for number in range(120)]


@pytest.fixture
def served(start_service):
    """Of a fake engine's tokens no few hold much of the probability: nothing is refused for it."""
    return start_service(
        http="127.0.0.1:0",
        decisions={"min_option_mass": 0},
        cascades=[{"name": "both", "models": ["base", "aligned"]}],
    )


@pytest.fixture
def http(served):
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def _fit(http, answers, **body):
    decisions = [
        {"input": said, "questions": [CHOICE], "answers": [answer]}
        for said, answer in zip(MESSAGES, answers, strict=True)
    ]
    return http.post(FIT, json={"decisions": decisions, "activate": True, **body})


def _answers(http, model):
    body = {"model": model, "questions": [CHOICE]}
    found = [http.post("/v1/decisions", json={**body, "input": each}).json() for each in MESSAGES]
    return [each["answers"][0] for each in found], [each["usage"]["total_tokens"] for each in found]


@pytest.mark.parametrize("name", ["both", "base+aligned"])
def test_a_decision_is_answered_by_who_may(served, http, name):
    assert _fit(http, [None] * len(MESSAGES), model="base", method="identity").status_code == 200
    own, own_tokens = _answers(http, "base")
    middle = sorted(each["confidence"] for each in own)[len(own) // 2]
    # Right in the half that it is surest of.
    truth = [each["choice"] if each["confidence"] >= middle else _other(each) for each in own]
    fitted = _fit(http, truth, model=name, method="cascade", target_risk=0.2).json()
    [cascade] = fitted["calibrators"]
    assert cascade["active"]
    assert cascade["scope"]["reading"] == "choice+decision-1"

    others, others_tokens = _answers(http, "aligned")
    found, tokens = _answers(http, name)
    [least] = cascade["parameters"]["min_confidence"]["values"]
    for place, said in enumerate(found):
        is_sure = own[place]["confidence"] >= least
        one = own[place] if is_sure else others[place]
        assert said["answered_by"] == ("models/base" if is_sure else "models/aligned")
        assert said["cascade_calibrator"] == cascade["name"]
        assert (said["choice"], said["confidence"]) == (one["choice"], one["confidence"])
        assert tokens[place] == own_tokens[place] + (0 if is_sure else others_tokens[place])
    assert {each["answered_by"] for each in found} == {"models/base", "models/aligned"}

    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none") as client:
        decision = client.decisions.create(model=name, input=MESSAGES[0], questions=[CHOICE])
    assert decision.answers[0].choice == found[0]["choice"]


def test_what_the_first_would_refuse_by_its_own_threshold_goes_on_and_is_counted(
    start_service, weights
):
    own = {"weights": weights, "engine": {"backend": "fake"}}

    def serving(least):
        strict = {"name": "strict", "decisions": {"min_option_mass": least}, **own}
        service = start_service(
            http="127.0.0.1:0",
            models=[strict, {"name": "usual", **own}],
            decisions={"min_option_mass": 0},
            cascades=[{"name": "both", "models": ["strict", "usual"]}],
        )
        return httpx.Client(base_url=service.url, timeout=60)

    with serving(0) as free:
        masses = [each["label_mass"] for each in _answers(free, "strict")[0]]
    least = sorted(masses)[len(masses) * 3 // 10]
    with serving(least) as http:
        unknown = [None] * len(MESSAGES)
        assert _fit(http, unknown, model="strict", method="identity").status_code == 200
        asked = {"model": "both", "method": "cascade", "target_passed_on": 0.6}
        [cascade] = _fit(http, unknown, **asked).json()["calibrators"]
        found, _ = _answers(http, "both")
    stands = [each["answered_by"] == "models/strict" for each in found]
    assert not any(held for held, mass in zip(stands, masses, strict=True) if mass < least)
    assert sum(stands) / len(stands) == pytest.approx(cascade["metrics"]["coverage"])
    assert 0.4 <= cascade["metrics"]["coverage"] < 0.7


def test_no_more_decisions_go_on_to_the_last_than_may(http):
    """Nobody knows an answer, and none is needed."""
    unknown = [None] * len(MESSAGES)
    assert _fit(http, unknown, model="base", method="identity").status_code == 200
    body = {"model": "both", "method": "cascade", "target_passed_on": 0.5}
    [cascade] = _fit(http, unknown, **body).json()["calibrators"]
    found, _ = _answers(http, "both")
    passed_on = [each["answered_by"] for each in found].count("models/aligned") / len(found)
    assert 0 < passed_on <= cascade["metrics"]["passed_on_upper_bound"] <= 0.5


def _other(answer):
    return next(
        each["value"] for each in answer["probabilities"] if each["value"] != answer["choice"]
    )


WRONG = {
    "no target": ({"method": "cascade"}, "target_risk"),
    "a target without the method": ({"method": "auto", "target_risk": 0.1}, "target_risk"),
    "two targets": (
        {"method": "cascade", "target_risk": 0.1, "target_passed_on": 0.5},
        "target_passed_on",
    ),
    "a share without the method": ({"method": "auto", "target_passed_on": 0.1}, "target_passed_on"),
    "a target of all": ({"method": "cascade", "target_risk": 1}, "target_risk"),
    "a teacher": ({"method": "cascade", "target_risk": 0.1, "teacher": "base"}, "teacher"),
    "an answer that nobody knows": (
        {"method": "cascade", "target_risk": 0.1},
        "decisions[0].answers[0]",
    ),
    "a model": ({"method": "cascade", "target_risk": 0.1, "model": "base"}, "method"),
}


@pytest.mark.parametrize(("body", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_fit_is_named(http, body, field):
    known = None if field.startswith("decisions") else "sales"
    response = _fit(http, [known] * len(MESSAGES), **{"model": "both", **body})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


@pytest.mark.parametrize("name", ["both", "base+aligned"])
def test_the_console_shows_a_cascade_and_its_threshold(http, name):
    _fit(http, [None] * len(MESSAGES), model="base", method="identity")
    own, _ = _answers(http, "base")
    right = [each["choice"] for each in own]
    body = {"model": name, "method": "cascade", "target_risk": 0.2}
    [cascade] = _fit(http, right, **body).json()["calibrators"]
    page = http.get("/console/").text
    assert "base, then aligned" in page
    # It lists those of the configuration.
    assert ("No threshold is active" in page) == (name != "both")
    identifier = cascade["name"].rpartition("/")[2]
    page = http.get(f"/console/calibrators/{name}/{identifier}").text
    assert "threshold: who answers in a cascade" in page
    # Outcomes are those of its models' answers, and it changes who chooses.
    assert "Does it still hold?" not in page
    assert "Changes the choice" not in page
