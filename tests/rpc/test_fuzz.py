"""No request, however absurd, breaks a promise; `make verify` makes many more of them."""

import logging

import grpc
import pytest
from verification.fuzz import (
    MARKER,
    besiege,
    calls,
    fuzz,
    fuzz_decisions,
    hostile_models,
    odd_models,
)

from trueodds.v1 import reading_pb2
from trueodds_service.engine.fake import FakeEngine


@pytest.fixture
def tells_no_prompt(caplog, capfd):
    """Whatever is said in the test names no prompt."""
    caplog.set_level(logging.DEBUG, logger="trueodds_service")
    yield
    assert MARKER not in caplog.text
    assert MARKER not in "".join(capfd.readouterr())


@pytest.mark.usefixtures("tells_no_prompt")
def test_every_promise_is_kept(tmp_path):
    with odd_models(tmp_path) as stand:
        report = fuzz(stand.address, 350, seed=1, tolerance=0)  # two rounds
    assert not report.broken, str(report)
    # What is drawn depends on the ids of what is stored.
    left_out = set(calls.METHODS) - {method for method, _ in report.endings}
    assert len(left_out) <= len(calls.METHODS) // 4, left_out


@pytest.mark.usefixtures("tells_no_prompt")
def test_every_promise_is_kept_of_decisions(tmp_path):
    with odd_models(tmp_path) as stand:
        report = fuzz_decisions(stand.url, stand.address, 150, 1)
    assert not report.broken, str(report)
    answered = {path for path, status in report.endings if status == "200"}
    assert answered == {"/v1/decisions", "/v1/systemone", "/v1/decisions/calibrators"}


@pytest.mark.usefixtures("tells_no_prompt")
def test_what_a_hostile_engine_does_at_a_prompt_is_nobody_elses_loss(tmp_path):
    with hostile_models(tmp_path) as stand:
        found = besiege(stand, 100, seed=1, marked=0.03)
    assert not found.broken, str(found)
    assert found.deaths > 0
    assert found.harmless > 0, "nobody was in an engine that died"


def test_callers_notice_other_answers_and_marks_without_an_error(tmp_path, monkeypatch):
    with hostile_models(tmp_path) as stand:
        for double in stand.doubles:
            monkeypatch.setattr(double, "_marks", {})
        monkeypatch.setattr(stand.doubles[0]._engine, "_sharpness", 2.0)
        found = besiege(stand, 20, seed=1, marked=0.2)
    assert "BatchScore: another answer than its twin's" in found.broken
    assert any(what.endswith("is answered") for what in found.broken)


class Forgetful(FakeEngine):
    """Fails at top tokens, and forgets what it answered before."""

    async def score(self, prompts):
        if any(prompt.top_tokens for prompt in prompts):
            raise ValueError(MARKER)
        self._seed += 1
        return await super().score(prompts)


def test_each_broken_promise_is_told_with_its_smallest_request(start_service):
    service = start_service(engines={"aligned": Forgetful()})
    # Whether one with top tokens reaches the engine, and which of the two, depends on the seed.
    for seed in range(2, 7):
        report = fuzz(service.app.address, 300, seed=seed)
        if internal := {promise for promise in report.broken if "INTERNAL" in promise}:
            break
    assert internal
    assert internal <= {"Score: INTERNAL", "BatchScore: INTERNAL"}
    for promise in internal:
        assert report.times[promise] > 0
        assert "top_tokens: 1\n" in report.broken[promise]
        assert "shots" not in report.broken[promise]
    assert "a plain question has another answer" in report.broken


def test_a_little_that_would_become_a_lot_is_never_written(service, question, refused):
    """Its prompt would have two gigabytes."""
    custom = reading_pb2.CustomFormat(
        question="{text}" + "{options}" * 1000, option="{label}{text}" + "{text}" * 1000
    )
    reading = reading_pb2.Reading(format=reading_pb2.FORMAT_CUSTOM, custom_format=custom)
    message = question("x", options=2)
    for option in message.options:
        option.text = "long" * 250
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="question.text", reason="PROMPT_TOO_LONG"):
        service.score(message, reading=reading)
