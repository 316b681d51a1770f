"""The study of cascades, on a pair whose odds are known."""

import numpy as np
import pytest
from studies.cascade import FITTED, PROMISED, RAW, RULES, TARGETS, World, rows


def _world() -> World:
    """The first is right half as often as it claims, the last four times of five."""
    rng = np.random.default_rng(0)
    n = FITTED + 4_000
    confidence = rng.uniform(0.5, 1, n)
    right = rng.random(n) < 2 * (confidence - 0.5)
    raw = np.column_stack([confidence, 1 - confidence])
    odds = np.column_stack([(0.5 + confidence) / 2, (1.5 - confidence) / 2])
    labels = np.where(right, 0, 1)
    last_right = rng.random(n) < 0.8
    return World("d", "t", "a", "b", 0.1, raw, labels, last_right, lambda some: odds)


def test_the_promise_is_kept_where_a_raw_word_is_not_and_the_cost_is_told() -> None:
    world = _world()
    found = {(row["rule"], row["target"]): row for row in rows(world, 3)}
    assert found.keys() == {(rule, target) for rule in RULES for target in TARGETS}
    assert found[RAW, 0.2]["kept"] == 0
    assert found[RAW, 0.2]["risk"] > 0.2
    row = found[PROMISED, 0.2]
    assert row["kept"] == 1
    assert 0.2 < row["answered"] < 0.4
    assert row["cost"] == pytest.approx(0.1 + 1 - row["answered"])
    # Of what it answers nine tenths are right, and of the last's eight.
    gained = row["answered"] * (1 - row["risk"] - world.last_right.mean())
    assert abs(row["accuracy"]["mean"] - gained) < 0.01
    assert row["accuracy"]["low"] < row["accuracy"]["mean"] < row["accuracy"]["high"]


def test_who_answers_nothing_is_not_asked() -> None:
    world = _world()
    never = np.full_like(world.raw, 0.5)
    silent = World(**{**vars(world), "raw": never, "calibrate": lambda some: never})
    for row in rows(silent, 1):
        if row["rule"] == PROMISED:
            assert (row["answered"], row["cost"], row["kept"]) == (0, 1, 1)
            assert row["accuracy"]["mean"] == 0
