"""The study of cascades, on a pair whose odds are known."""

import numpy as np
import pytest
from studies.cascade import (
    EQUAL,
    EQUAL_RULES,
    FITTED,
    LOST,
    PROMISED,
    RAW,
    RISK_RULES,
    SHARE,
    SHARE_RULES,
    SHARES,
    TARGETS,
    as_accurate,
    rows,
)
from studies.cascade_worlds import World

from trueodds_service.core.decisions.abstention import NEVER


def _world() -> World:
    """The first is right half as often as it claims, the last four times of five. A question that
    the first is sure of has half the tokens.
    """
    rng = np.random.default_rng(0)
    n = FITTED + 4_000
    confidence = rng.uniform(0.5, 1, n)
    right = rng.random(n) < 2 * (confidence - 0.5)
    raw = np.column_stack([confidence, 1 - confidence])
    odds = np.column_stack([(0.5 + confidence) / 2, (1.5 - confidence) / 2])
    labels = np.where(right, 0, 1)
    last_right = rng.random(n) < 0.8
    tokens = np.where(confidence < 0.75, 100.0, 50.0)[:, np.newaxis].repeat(2, axis=1)
    return World("d", "t", "a", "b", 0.1, raw, labels, last_right, tokens, lambda some: odds)


def test_the_promise_is_kept_where_a_raw_word_is_not_and_the_cost_is_told() -> None:
    world = _world()
    found = {(row["rule"], row["target"]): row for row in rows(world, 3)}
    assert found.keys() == {
        *((rule, target) for rule in RISK_RULES for target in TARGETS),
        *((rule, share) for rule in SHARE_RULES for share in SHARES),
        *((rule, LOST) for rule in EQUAL_RULES),
    }
    assert found[RAW, 0.2]["kept"] == 0
    assert found[RAW, 0.2]["risk"] > 0.2
    row = found[PROMISED, 0.2]
    assert row["kept"] == 1
    assert 0.2 < row["answered"] < 0.4
    # What it answers is short: three quarters of what there is on average.
    assert row["cost"] == pytest.approx(0.1 + 1 - row["answered"] * 50 / 75, abs=0.01)
    # Of what it answers nine tenths are right, and of the last's eight.
    gained = row["answered"] * (1 - row["risk"] - world.last_right.mean())
    assert abs(row["accuracy"]["mean"] - gained) < 0.01
    assert row["accuracy"]["low"] < row["accuracy"]["mean"] < row["accuracy"]["high"]


def test_what_goes_on_is_bounded_and_what_is_as_accurate_is_found() -> None:
    found = {(row["rule"], row["target"]): row for row in rows(_world(), 3)}
    row = found[SHARE, 0.5]
    assert row["kept"] == 1
    assert 0.5 < row["answered"] < 0.6
    # The first is right more often than four times of five from a confidence of 0.9 on, on average
    # so from 0.8 on.
    row = found[EQUAL, LOST]
    assert row["answered"] == pytest.approx(0.4, abs=0.08)
    assert abs(row["accuracy"]["mean"]) < 0.02


def test_as_accurate_is_the_least_confidence_at_which_nothing_is_lost() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.7, 0.6])
    assert as_accurate(confidence, np.array([1, -1, 0, -1, 0])) == 0.8
    assert as_accurate(confidence, np.array([0, -1, 1, 0, 0])) == 0.6
    assert as_accurate(confidence, np.array([0, 0, -1, 0, 0])) == 0.9, "equals go together"
    assert as_accurate(confidence, np.array([-1, 0, 0, 0, 0])) == NEVER


def test_who_answers_nothing_is_not_asked() -> None:
    world = _world()
    never = np.full_like(world.raw, 0.5)
    silent = World(**{**vars(world), "raw": never, "calibrate": lambda some: never})
    for row in rows(silent, 1):
        if row["rule"] == PROMISED:
            assert (row["answered"], row["cost"], row["kept"]) == (0, 1, 1)
            assert row["accuracy"]["mean"] == 0
