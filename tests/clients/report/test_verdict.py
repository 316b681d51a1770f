"""The verdict claims no more than the numbers carry."""

from dataclasses import replace

import pytest

from trueodds import Estimate, Evaluation
from trueodds.report import render
from trueodds.report.metrics import difference, effect, listed
from trueodds.report.verdict import Verdict, lede, verdict, warnings

BETTER, WORSE, CHANCE = (
    Estimate(-0.2, -0.3, -0.1),
    Estimate(0.2, 0.1, 0.3),
    Estimate(0.1, -0.1, 0.3),
)


@pytest.fixture
def report(simulate):
    return simulate(n=200)


@pytest.mark.parametrize(
    ("nll", "brier", "expected"),
    [
        (BETTER, BETTER, Verdict.BETTER),
        (BETTER, CHANCE, Verdict.BETTER),
        (CHANCE, BETTER, Verdict.BETTER),
        (WORSE, WORSE, Verdict.WORSE),
        (WORSE, CHANCE, Verdict.WORSE),
        (CHANCE, WORSE, Verdict.WORSE),
        (BETTER, WORSE, Verdict.MIXED),
        (WORSE, BETTER, Verdict.MIXED),
        (CHANCE, CHANCE, Verdict.OPEN),
    ],
)
def test_the_proper_scores_decide(report, nll, brier, expected):
    changed = replace(report, differences={"nll": nll, "brier": brier, "ece": WORSE})
    assert verdict(changed) is expected
    page = render(changed)
    for words in expected.value:
        assert words in page


def test_a_simulated_repair_is_one_and_a_simulated_harm_is_none(simulate):
    assert verdict(simulate(n=1000, over=2.5, temperature=2.5)) is Verdict.BETTER
    assert verdict(simulate(n=1000, over=1.0, temperature=3.0)) is Verdict.WORSE
    assert verdict(simulate(n=1000, over=1.0, temperature=1.0)) is Verdict.SAME
    assert verdict(simulate(n=8, over=1.2, temperature=1.2)) is Verdict.OPEN


def test_the_items_of_the_fit_decide_nothing(report):
    changed = replace(report, data_hash=report.calibrator.data_hash)
    assert verdict(report) is Verdict.BETTER
    assert verdict(changed) is Verdict.FLATTERED
    assert "Its own questions." in dict(warnings(changed))
    assert "activate it." not in render(changed)


def test_what_to_know_is_said(report):
    assert warnings(report) == []
    fitted = replace(report.calibrator, at_bound=True, fallback="identity: too few")
    found = dict(warnings(replace(report, items=20, calibrator=fitted)))
    assert set(found) == {"Only 20 questions.", "At its bound.", "A fallback."}
    assert found["A fallback."] == "identity: too few"
    settled = replace(report.calibrator, undetermined=True, at_bound=True)
    assert set(dict(warnings(replace(report, calibrator=settled)))) == {"Undetermined."}
    wrong = {"accuracy": Estimate(-0.1, -0.2, -0.05)}
    assert set(dict(warnings(replace(report, differences=wrong)))) == {"Less often right."}


def test_without_a_paired_interval_the_widest_counts(report):
    sides = [Evaluation({"nll": Estimate(*each)}) for each in ((1.0, 0.9, 1.1), (0.8, 0.7, 0.85))]
    apart = replace(report, differences={}, before=sides[0], after=sides[1])
    found = difference(apart, "nll")
    assert (found.value, found.lower, found.upper) == pytest.approx((-0.2, -0.4, -0.05))
    assert verdict(apart) is Verdict.BETTER
    touching = replace(apart, after=Evaluation({"nll": Estimate(0.8, 0.7, 0.95)}))
    assert verdict(touching) is Verdict.OPEN
    assert difference(apart, "brier") is None


def test_a_difference_without_an_interval_may_be_chance():
    assert effect(Estimate(-0.5, -0.5, -0.5), -1) == 0
    assert effect(None, -1) == 0
    assert [effect(each, +1) for each in (BETTER, WORSE, CHANCE)] == [-1, 1, 0]
    assert effect(BETTER, 0) == 0


def test_the_error_of_chance_is_beside_the_error(report):
    chance = report.after.metrics["null_ece"].value
    assert f"would show {chance:.3f} on so many questions" in lede(report)
    assert not [metric for metric in listed(report) if metric.name == "null_ece"]


@pytest.mark.parametrize(
    ("active", "nll", "command"),
    [
        (False, BETTER, "trueodds calibrators activate models/"),
        (False, WORSE, None),
        (False, CHANCE, None),
        (True, BETTER, None),
        (True, WORSE, "trueodds calibrators rollback models/"),
    ],
)
def test_the_next_step_is_to_be_copied(report, active, nll, command):
    calibrator = replace(report.calibrator, active=active)
    page = render(replace(report, calibrator=calibrator, differences={"nll": nll, "brier": nll}))
    assert ("It is active now." in page) == active
    found = [each for each in ("activate", "rollback") if f"calibrators {each} models/" in page]
    assert found == ([command.split()[2]] if command else [])
