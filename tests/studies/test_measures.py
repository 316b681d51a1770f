"""The studies measure as the service does, and their intervals are those of a bootstrap."""

import numpy as np
import pytest
from scipy import stats
from studies.measures import HeldOut, over_both, over_draws, resampled_errors
from studies.simulation import World

from trueodds_service.core.calibrators.temperature import TemperatureScaling
from trueodds_service.core.fitting.temperature import fit_temperature
from trueodds_service.core.metrics.evaluate import nll
from trueodds_service.core.metrics.reliability import ece


def held_out(n: int = 3_000) -> HeldOut:
    data, odds = World().draw(np.random.default_rng(0), n, float(np.log(2.5)))
    return HeldOut(data.logprobs, data.answers, odds)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_scores_are_the_services_metrics(temperature: float) -> None:
    questions, calibrator = held_out(), TemperatureScaling(temperature)
    scores = questions.score(calibrator)
    probs = calibrator.apply(questions.logprobs)
    chosen = probs.argmax(axis=1)
    assert scores.ece == pytest.approx(ece(probs.max(axis=1), chosen == questions.labels))
    assert scores.nll == pytest.approx(nll(probs, questions.labels))


def test_against_the_odds_is_the_ece_of_endless_labels() -> None:
    few, calibrator = held_out(), TemperatureScaling(1.5)
    often = 300
    rng = np.random.default_rng(1)
    labels = np.concatenate(
        [(few.odds.cumsum(axis=1) < rng.random((3_000, 1))).sum(axis=1) for _ in range(often)]
    )
    many = HeldOut(np.tile(few.logprobs, (often, 1)), labels, np.tile(few.odds, (often, 1)))
    assert many.score(calibrator).ece == pytest.approx(few.score(calibrator).odds_ece, abs=5e-4)


def test_a_resample_is_the_same_questions_met_more_or_less_often() -> None:
    questions, calibrator = held_out(400), TemperatureScaling(2.0)
    picked = np.random.default_rng(2).integers(0, 400, 400)
    counts = np.bincount(picked, minlength=400)[None].astype(float)
    anew = HeldOut(questions.logprobs[picked], questions.labels[picked], questions.odds[picked])
    found = resampled_errors([questions.score(calibrator).gaps] * 2, counts)
    assert found.shape == (1, 2)
    assert found[0, 1] == pytest.approx(anew.score(calibrator).ece)


def test_intervals_agree_with_students_t() -> None:
    differences = np.random.default_rng(3).normal(-1, 2, 200)
    low, high = over_draws(differences)
    error = stats.sem(differences)
    expected = stats.t.interval(0.95, 199, differences.mean(), error)
    assert (low, high) == pytest.approx(expected, abs=0.15 * error)
    assert over_both(np.tile(differences, (1_000, 1))) == pytest.approx(expected, abs=0.15 * error)


def test_the_simulations_best_temperature_is_the_tables() -> None:
    data, _ = World().draw(np.random.default_rng(4), 200_000, float(np.log(2.5)))
    best = fit_temperature(data.logprobs, np.eye(4)[data.answers]).temperature
    assert best == pytest.approx(2.57, abs=0.04)
