"""Recorded decisions become calibrators, one a task, type and number of options, and are used."""

import json
import math
import re

import httpx
import msgspec
import pytest
from langchain_openai.decisions import Choice, OpenAIDecisions, Predicate, Score
from tests.conftest import SHARPNESS

from trueodds_service.engine.fake import FakeEngine
from trueodds_service.http.decisions import fitting

FIT = "/v1/decisions/calibrators"


def recorded(*questions, count=8, **more):
    return [
        {"input": f"Message {number}.", "questions": questions, **more} for number in range(count)
    ]


def test_each_recorded_decision_has_labels_of_its_own_order(team):
    """Of decisions that were all drawn alike one order would be learnt."""
    body = {"model": "aligned", "decisions": recorded(team, count=3), "label_seed": 7}
    request = fitting.Request.model_validate_json(json.dumps(body))
    found = [each.decision.label_seed for each in request.fit(None, most=10).recorded]
    assert len({*found}) == 3
    assert found[0] == 7, "the first as it is asked with this seed"


@pytest.fixture
def fit(http):
    def fit(decisions, status=200, **more):
        body = {"model": "aligned", "decisions": decisions, **more}
        response = http.post(FIT, json=body)
        assert response.status_code == status, response.text
        return response.json()

    return fit


def test_without_an_answer_the_teacher_calibrates_each_type_by_itself(fit, client, urgent, team):
    fitted = fit(recorded(urgent, team), method="teacher_kl", activate=True)["calibrators"]
    scopes = [(each["scope"]["reading"], each["scope"]["options"]) for each in fitted]
    assert scopes == [("predicate+decision-1", 2), ("choice+decision-1", 3)]
    assert all(each["active"] for each in fitted)
    # Of labels of one token, all that is between the fakes is a temperature.
    assert fitted[1]["temperature"] == pytest.approx(SHARPNESS, rel=0.02)
    asked = {"input": "Now.", "questions": [urgent, team]}
    answers = client.decisions.create(model="aligned", **asked).answers
    [_, taught] = client.decisions.create(model="base", **asked).answers
    assert [each.calibrator for each in answers] == [each["name"] for each in fitted]
    assert [each.calibrated for each in answers] == [True, True]
    found = [each.probability for each in answers[1].probabilities]
    assert found == pytest.approx([each.probability for each in taught.probabilities], abs=0.01)
    assert answers[1].raw_probabilities != pytest.approx(taught.raw_probabilities, abs=0.01)
    # The confidence is the calibrated probability of the answer.
    assert answers[1].confidence == max(found)


def test_a_task_in_a_header_is_read_as_clients_write_it(fit, http, urgent):
    task = "Gefühl 感"
    fit(recorded(urgent), method="teacher_kl", activate=True, task=task)
    asked = {"model": "aligned", "input": "Now.", "questions": [urgent]}

    def ask(sent):
        return http.post("/v1/decisions", json=asked, headers={"x-trueodds-task": sent}).json()

    assert ask(task.encode())["answers"][0]["calibrated"]
    refused = ask("Gefühl".encode("latin-1"))["error"]
    assert refused["message"] == "x-trueodds-task: has to be UTF-8"


def test_a_task_may_be_said_in_a_field_or_a_header(fit, client, http, urgent, task):
    fit(recorded(urgent), method="teacher_kl", activate=True)
    other = {**urgent, "name": "another"}
    [raw] = client.decisions.create(model="aligned", input="Now.", questions=[other]).answers
    [named] = client.decisions.create(
        model="aligned", input="Now.", questions=[other], extra_body={"task": task}
    ).answers
    [headed] = client.decisions.create(
        model="aligned", input="Now.", questions=[other], extra_headers={"X-Trueodds-Task": task}
    ).answers
    assert (raw.calibrated, named.calibrated) == (False, True)
    assert named == headed
    body = {
        "model": "aligned",
        "state": "Now.",
        "task": task,
        "questions": {"u": {"type": "noul", "instructions": "Is it urgent?"}},
    }
    noul = http.post("/v1/systemone", json=body).json()["answers"]["u"]
    assert (noul["noul"], noul["calibrator"]) == (named.probability, named.calibrator)


def test_answers_are_learnt_from(fit, urgent, team):
    decisions = recorded(urgent, team, count=6, answers=[True, "sales"])
    decisions[0]["answers"] = [False, None]
    fitted = fit(decisions, method="temperature")["calibrators"]
    assert [each["provenance"]["labelled"] for each in fitted] == [6, 5]
    assert not any(each["active"] for each in fitted)


def test_one_temperature_may_be_for_any_number_of_options(fit, team):
    fewer = {**team, "choices": team["choices"][:2]}
    fitted = fit(recorded(team, fewer), method="teacher_kl", any_options=True)["calibrators"]
    assert [each["scope"]["options"] for each in fitted] == [0]


@pytest.mark.parametrize("how", [{"order": "cyclic"}, {"label_seed": 3}], ids=str)
def test_a_calibrator_is_for_answers_read_in_one_way(fit, client, urgent, team, how):
    """Of a predicate there is but one."""
    fitted = fit(recorded(urgent, team), method="teacher_kl", activate=True, **how)["calibrators"]
    same = client.decisions.create(
        model="aligned", input="Now.", questions=[urgent, team], extra_body=how
    )
    assert [each.calibrator for each in same.answers] == [each["name"] for each in fitted]
    plain = client.decisions.create(model="aligned", input="Now.", questions=[urgent, team])
    assert [each.calibrated for each in plain.answers] == [True, False]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"method": "guess"}, "method"),
        ({"decisions": []}, "decisions"),
        ({"answers": [True, True]}, "decisions[0].answers"),
        ({"answers": ["yes"]}, "decisions[0].answers[0]"),
        ({"answers": [1]}, "decisions[0].answers[0]"),
        ({"answers": [1.0]}, "decisions[0].answers[0]"),
        ({"input": ""}, "decisions[0].input"),
        ({"input": "<|end|>"}, "decisions[0].input"),
        ({"input": "x" * 100_000}, "decisions[0].input"),
        ({"method": "temperature"}, "decisions"),
    ],
)
def test_what_is_wrong_with_a_fit_is_named(fit, urgent, changes, param):
    of_decision = {name: changes[name] for name in ("answers", "input") if name in changes}
    of_request = {name: changes[name] for name in ("decisions", "method") if name in changes}
    decisions = [{**each, **of_decision} for each in recorded(urgent, count=2)]
    error = fit(**{"decisions": decisions, **of_request}, status=400)["error"]
    assert error["param"] == param


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"instructions": "<|end|>"}, "decisions[0].questions[1].instructions"),
        (
            {"choices": [{"value": "a"}, {"value": "b", "description": "<|end|>"}]},
            "decisions[0].questions[1].choices[1]",
        ),
    ],
)
def test_a_question_is_named_as_the_body_has_it(fit, urgent, team, changes, param):
    error = fit(recorded(urgent, {**team, **changes}), status=400, method="teacher_kl")["error"]
    assert error["param"] == param


class Silent(FakeEngine):
    """Gives the last prompt of a call no probability."""

    async def score(self, prompts, adapter=None):
        *scores, last = await super().score(prompts, adapter)
        nothing = (-math.inf,) * len(last.continuations)
        return [*scores, msgspec.structs.replace(last, continuations=nothing)]


def test_a_question_that_cannot_be_fitted_on_is_named_as_the_body_has_it(start_service, urgent):
    service = start_service(http="127.0.0.1:0", engines={"aligned": Silent()})
    body = {"model": "aligned", "decisions": recorded(urgent), "method": "teacher_kl"}
    error = httpx.post(f"{service.url}{FIT}", json=body, timeout=30).json()["error"]
    assert error["code"] == "NO_OPTION_MASS"
    assert re.match(r"decisions\[\d\]\.questions\[0\], models/aligned: ", error["message"])


def test_every_type_that_an_answer_may_have_is_told(fit, urgent):
    error = fit(recorded(urgent, answers=[1.0]), status=400)["error"]
    assert error["message"] == (
        "decisions[0].answers[0]: input should be a valid string or a valid boolean or a valid "
        "integer"
    )


@pytest.mark.parametrize(
    ("answer", "status"), [(3, 400), (5, 400), ("3", 200), (0, 200), (True, 400)]
)
def test_a_number_that_is_another_levels_label_is_refused(fit, task, answer, status):
    """The level at index 3 has the label "4": nobody knows which of the two is meant."""
    levels = [{"label": label} for label in "12345"]
    score = {"type": "score", "name": task, "instructions": "How angry?", "levels": levels}
    told = fit(recorded(score, answers=[answer]), method="teacher_kl", status=status)
    if status == 400 and answer is not True:
        assert told["error"]["param"] == "decisions[0].answers[0]"
        assert "say the label as a string" in told["error"]["message"]


def test_a_number_whose_label_is_its_own_is_the_level(fit, task):
    levels = [{"label": label} for label in "012"]
    score = {"type": "score", "name": task, "instructions": "How angry?", "levels": levels}
    fit(recorded(score, answers=[2]), method="teacher_kl")


def test_langchains_own_client_is_answered(service):
    decisions = OpenAIDecisions(
        model="aligned", api_key="none", base_url=f"{service.url}/v1", max_retries=0
    )
    asked = {
        "input": "It has failed for three days.",
        "questions": {
            "team": Choice(instructions="Whose is it?", choices={"a": "bills", "b": "bugs"}),
            "urgent": Predicate(instructions="Is it urgent?"),
            "anger": Score(instructions="How angry is the writer?", levels=["calm", "angry"]),
        },
    }
    said = decisions.invoke(asked)
    assert said.choices["team"].choice in ("a", "b")
    assert 0 < said.predicates["urgent"].probability < 1
    assert 0 < said.scores["anger"].score < 1


def test_a_calibrators_answers_have_its_sets(fit, client, urgent, team):
    """A threshold is for one calibrator: what another answers, or none, has no set."""
    [fitted] = fit(recorded(team), method="teacher_kl", activate=True)["calibrators"]

    def sets(**rule):
        rules = [{"calibrator": fitted["name"], **rule}]
        asked = {"input": "Now.", "questions": [team, urgent]}
        found = client.decisions.create(
            model="aligned", **asked, extra_body={"answer_sets": rules}
        ).answers
        assert found[1].answer_set is None
        return found[0].answer_set, [each.probability for each in found[0].probabilities]

    everything, probabilities = sets(method="aps", threshold=1.0)
    order = sorted(range(3), key=lambda option: -probabilities[option])
    assert everything == order
    assert sets(method="aps", threshold=probabilities[order[0]] + 1e-9)[0] == order[:1]
    [unasked, _] = client.decisions.create(
        model="aligned", input="Now.", questions=[team, urgent]
    ).answers
    assert unasked.answer_set is None


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"calibrator": "nothing"}, "answer_sets[0].calibrator"),
        ({"calibrator": "models/base/calibrators/" + 16 * "a"}, "answer_sets[0].calibrator"),
        ({"method": "best"}, "answer_sets[0].method"),
        ({"threshold": 1.5}, "answer_sets[0].threshold"),
    ],
)
def test_a_rule_that_is_none_is_refused(http, urgent, rule, field):
    whole = {"calibrator": "models/aligned/calibrators/" + 16 * "a", "method": "lac"}
    rules = [{**whole, "threshold": 0.5, **rule}]
    body = {"model": "aligned", "input": "Now.", "questions": [urgent], "answer_sets": rules}
    refused = http.post("/v1/decisions", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == field
