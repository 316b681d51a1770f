"""The page that tells whether a calibrator keeps its promise, as HTML, without a browser."""

import html
import re

import httpx
import pytest
from tests.console.conftest import fit

from trueodds import Client, Outcome, Promise, Question


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
