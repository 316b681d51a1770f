"""What watches over real models: outcomes, alerts, and the threshold of a cascade."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from tests.integration.conftest import CASCADE

from trueodds import Alert, Answer, Client, Example, Method, Outcome, Promise
from trueodds_demo.questions import fit_questions, scored_examples, scored_questions, shots
from trueodds_demo.service import ALIGNED, BASE

ASKED = "knowledge"
COUNT = 400
# Gateways look every second.
PATIENCE_SECONDS = 30.0


def answered(outcomes: Sequence[object]) -> list[Answer]:
    return [outcome for outcome in outcomes if isinstance(outcome, Answer)]


def tell(client: Client, task: str) -> None:
    """The truth about answers to a task."""
    questions = scored_questions(ASKED, COUNT)
    answers = answered(
        client.score_batch(questions, model=ALIGNED, task=task, shots=shots(ASKED), receipts=True)
    )
    outcomes = [
        Outcome(answer.receipt or b"", example.answer)
        for answer, example in zip(answers, scored_examples(ASKED, COUNT), strict=True)
    ]
    assert client.record_outcomes(outcomes).recorded == COUNT


def test_outcomes_find_the_raw_confidences_untrue_and_the_calibrated_ones_not(
    client: Client,
) -> None:
    raw = client.fit(
        model=ALIGNED,
        task="promised",
        method=Method.CONSTANT,
        temperature=1.0,
        options=4,
        activate=True,
    )
    kept = client.fit(
        fit_questions(ASKED), model=ALIGNED, task="kept", shots=shots(ASKED), activate=True
    )
    tell(client, "promised")
    tell(client, "kept")
    assert Promise.TOO_HIGH in {each.promise for each in client.drift(raw.name).alarms}
    assert not client.drift(kept.name).alarms
    ends = time.monotonic() + PATIENCE_SECONDS
    alerts: list[Alert] = []
    while Promise.TOO_HIGH not in {alert.promise for alert in alerts}:
        assert time.monotonic() < ends, "every gateway looks by itself"
        time.sleep(0.2)
        alerts = [*client.alerts(ALIGNED, calibrator=raw.name)]
    [found] = [alert for alert in alerts if alert.promise is Promise.TOO_HIGH]
    assert found.expected > found.observed
    assert not [*client.alerts(ALIGNED, calibrator=kept.name)]


def test_in_a_cascade_who_answers_says_what_it_says_by_itself(client: Client) -> None:
    asked: dict[str, Any] = {"task": "cascaded", "shots": shots(ASKED)}
    client.fit(fit_questions(ASKED), model=ALIGNED, activate=True, **asked)
    examples = [
        Example(question, example.answer)
        for question, example in zip(
            scored_questions(ASKED, COUNT), scored_examples(ASKED, COUNT), strict=True
        )
    ]
    fitted = client.fit(
        examples,
        model=CASCADE,
        method=Method.CASCADE,
        target_risk=0.25,
        activate=True,
        force=True,
        **asked,
    )
    [least] = fitted.parameters["min_confidence"]
    questions = scored_questions(ASKED, COUNT)[:100]
    first, last, both = (
        answered(client.score_batch(questions, model=model, **asked))
        for model in (ALIGNED, BASE, CASCADE)
    )
    assert len(first) == len(last) == len(both) == len(questions)
    stayed = 0
    for small, large, answer in zip(first, last, both, strict=True):
        stays = (small.calibrated_confidence or 0) >= least
        stayed += stays
        assert answer.answered_by == f"models/{ALIGNED if stays else BASE}"
        alone = [option.logprob for option in (small if stays else large).options]
        # float32, in batches of other sizes.
        assert [option.logprob for option in answer.options] == pytest.approx(alone, abs=1e-3)
        for each in (small, large, answer):  # the shots, at least, are in the cache
            assert 0 < each.cached_tokens < each.prompt_tokens
            assert each.cost == each.prompt_tokens - each.cached_tokens
    assert 0 < stayed < len(questions)


def test_of_like_questions_the_teacher_disagrees_alike_and_teaches_alike(client: Client) -> None:
    asked: dict[str, Any] = {"shots": shots(ASKED)}
    questions = scored_questions(ASKED, COUNT)
    calibrator = client.fit(questions[:200], model=ALIGNED, task="checked", activate=True, **asked)
    tell(client, "checked")
    check = client.check(calibrator.name, questions[200:], propose=True, **asked)
    assert (check.questions, check.fit_questions) == (200, 200)
    assert check.fit_disagreeing > 0
    assert check.p_value is not None
    assert check.p_value > 1e-3
    drift = client.drift(calibrator.name)
    assert drift.checks == (check,)
    assert not any(each.alarm for each in drift.tests if each.promise is Promise.DISAGREES)
    assert check.proposal is not None
    assert check.proposal.held_out == COUNT
    assert abs(check.proposal.differences["brier"].value) < 0.01
    proposed = client.calibrator(check.proposal.calibrator or "")
    assert proposed.temperature == pytest.approx(calibrator.temperature, rel=0.2)
    assert not proposed.active
