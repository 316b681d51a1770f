"""The page that tells whether a calibrator keeps its promise, as HTML, without a browser."""

import html
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.console.conftest import fit
from tests.told import active, tell

from trueodds import Client, Outcome, Promise, Question
from trueodds_service.http.console.drift import _verdict
from trueodds_service.store import Check, Proposal


@pytest.fixture
def page(service):
    def page(calibrator):
        address = f"{service.url}/console/calibrators/aligned/{calibrator}/drift"
        text = httpx.get(address, timeout=30).raise_for_status().text
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))

    return page


def test_without_outcomes_it_says_how_they_are_told(service, page):
    found = page(fit(service, "untold", "TEACHER_KL", labelled=False, activate=False))
    assert "Nobody has told yet what became of its answers. 0 outcomes told" in found
    assert "client.record_outcomes" in found


def test_an_alarm_that_needs_no_truth_is_told_without_any(service, page):
    calibrator = active(service, "moved")
    tell(service, calibrator, share=None, count=300)
    tell(service, calibrator, share=None, count=300, said=0.55)
    found = page(calibrator.name.rpartition("/")[2])
    assert (
        "Nobody has told yet what became of its answers. Confidences are not distributed as at "
        "first: look. 0 outcomes told, and of 600 answers nobody knows."
    ) in found
    assert re.search(
        r"Confidences are not distributed as at first 100 % 100 % after \d+ answers", found
    )
    assert "The numbers" not in found
    assert "client.record_outcomes" in found


def test_a_broken_promise_is_told(service, page):
    calibrator = fit(service, "broken", "TEACHER_KL", labelled=False, activate=True)
    questions = [Question(f"{number}?", ("yes", "no")) for number in range(120)]
    with Client(service.app.address) as client:
        answers = client.score_batch(questions, model="aligned", task="broken", receipts=True)
        # None of them was right.
        client.record_outcomes([Outcome(each.receipt, 1 - each.choice) for each in answers])
        tests = client.drift(calibrator).tests
    [too_high] = [each for each in tests if each.promise is Promise.TOO_HIGH]
    found = page(calibrator)
    assert "It no longer keeps its promise: fit again, from recent questions." in found
    assert f"It promises too much 100 % 100 % after {too_high.alarm_at} outcomes" in found
    assert "Since the first answer 120 outcomes" in found
    assert re.search(r"Accuracy 0\.000 0\.000 to 0\.000", found)


def test_what_was_found_and_what_is_proposed_is_told(service, page):
    calibrator = active(service, "sparrows")
    tell(service, calibrator, share=0.5, count=100)
    service.run(service.app._alerts.look())
    service.run(service.app._checks._proposals.propose())
    name = calibrator.name.rpartition("/")[2]
    found = page(name)
    assert re.search(r"UTC It promises too much after \d+ outcomes said 90 %, right \d\d %", found)
    assert "no webhook" in found
    assert "None yet: 0 of 400 outcomes since the alert." in found
    tell(service, calibrator, share=0.5, count=400, seed=4)
    store = service.app._alerts.store
    store.propose(name, Proposal(note="again"), timedelta(0))
    service.run(service.app._checks._proposals.propose())
    found = page(name)
    assert re.search(
        r"fitted on 200 outcomes since\. On the 200 outcomes after these its Brier score is the "
        r"present one’s −0\.\d+ −0\.\d+ to −0\.\d+ : better\.",
        found,
    )
    assert "What would change" in found
    assert "Activate …" in found


def test_fresh_questions_and_what_was_fitted_on_them_are_told(service, page):
    name = fit(service, "checked", "TEACHER_KL", labelled=False, activate=True)
    other = fit(service, "checked", "TEACHER_KL", labelled=False, activate=False, seed=2)
    proposal = Proposal(proposed=other, fitted=30, note="not compared: 0 of 200 outcomes")
    check = Check(
        calibrator=name,
        prompts_hash="ab12",
        teacher="base",
        questions=30,
        disagreeing=9,
        created_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        proposal=proposal,
    )
    service.app._checks._store.add(check)
    found = page(name)
    # It was fitted from scores: nobody knows of which teacher.
    assert re.search(r"UTC 9 of 30 unknown " + other[:6], found)
    assert "not compared: 0 of 200 outcomes" in found


def test_an_alert_whose_outcomes_are_forgotten_still_counts():
    alert = {"says": "It promises too much", "breaks": True}
    assert _verdict([], [alert], 0).startswith("It no longer keeps its promise")
    assert _verdict([], [{**alert, "breaks": False}], 0).startswith("Nobody has told yet")
