"""Checks in the store: once for the same questions, in their order, with their proposal."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from trueodds_service.store import Check, Proposal, SqlCheckStore


@pytest.fixture
def checks(url):
    checks = SqlCheckStore(url)
    yield checks
    checks.close()


@pytest.fixture
def check(store, make):
    return Check(
        calibrator=store.put(make()).id,
        prompts_hash="ab12",
        teacher="demo-base",
        questions=50,
        disagreeing=7,
        created_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
    )


def test_the_same_questions_are_one_check(checks, check):
    assert checks.add(check) == check
    assert checks.add(replace(check, disagreeing=9)) == check
    other = replace(check, prompts_hash="cd34", disagreeing=9)
    assert checks.add(other) == other
    assert checks.of_calibrator(check.calibrator) == [check, other]
    assert checks.of_calibrator("0f" * 8) == []


def test_a_proposal_is_kept_with_its_check(checks, check, store, make):
    checks.add(check)
    proposal = Proposal(
        proposed=store.put(make(2.5)).id,
        fitted=50,
        held_out=300,
        differences={"brier": (-0.1, -0.15, -0.05)},
    )
    assert checks.propose(check, proposal) == replace(check, proposal=proposal)
    assert checks.of_calibrator(check.calibrator) == [replace(check, proposal=proposal)]
