"""No request, however absurd, breaks a promise; `make verify` makes many more of them."""

import logging

import grpc
from verification.fuzz import MARKER, calls, fuzz

from trueodds.v1 import reading_pb2
from trueodds_service.engine.fake import FakeEngine

VOCABULARY = 400
"""Of the tests' tokenizer."""


class Strict(FakeEngine):
    """Fails where a real engine would fail, or die."""

    async def score(self, prompts):
        for prompt in prompts:
            assert prompt.prompt
            assert all(prompt.continuations)
            assert len(set(prompt.continuations)) == len(prompt.continuations)
            assert prompt.total_length < self.info.max_tokens
            whole = (*prompt.prompt, *prompt.identifier, *sum(prompt.continuations, ()))
            assert max(whole) < VOCABULARY
        return await super().score(prompts)


def test_every_promise_is_kept(start_service, caplog, capfd):
    caplog.set_level(logging.DEBUG, logger="trueodds_service")
    engines = {"aligned": Strict(seed=7, sharpness=3), "base": Strict(seed=7)}
    report = fuzz(start_service(engines=engines).app.address, 400, seed=1, tolerance=0)
    assert not report.broken, str(report)
    assert {method for method, _ in report.endings} >= set(calls.METHODS)
    assert MARKER not in caplog.text
    assert MARKER not in "".join(capfd.readouterr())


class Forgetful(FakeEngine):
    """Fails at top tokens, and forgets what it answered before."""

    async def score(self, prompts):
        if any(prompt.top_tokens for prompt in prompts):
            raise ValueError(MARKER)
        self._seed += 1
        return await super().score(prompts)


def test_each_broken_promise_is_told_with_its_smallest_request(start_service):
    service = start_service(engines={"aligned": Forgetful()})
    report = fuzz(service.app.address, 300, seed=1)
    internal = {promise for promise in report.broken if "INTERNAL" in promise}
    assert internal == {"Score: INTERNAL", "BatchScore: INTERNAL"}
    assert report.times["Score: INTERNAL"] > 0
    assert "top_tokens: 1\n" in report.broken["Score: INTERNAL"]
    assert "shots" not in report.broken["Score: INTERNAL"]
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
