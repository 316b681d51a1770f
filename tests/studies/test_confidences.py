"""The study of large models' claims, on answers whose odds are known."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from studies.confidences.answers import DATASETS, Answers, read
from studies.confidences.few import SIZES
from studies.confidences.maps import NAMES, RAW, fitted, score
from studies.confidences.promises import RULES, promises
from studies.confidences.service import ASKED, CASE, service


def _world(n: int, options: int = 4) -> Answers:
    """Answers that are right half as often as they claim."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 0.99, n)
    return Answers(np.arange(n), confidence, rng.random(n) < confidence / 2, options)


def test_answers_are_read_without_those_that_nobody_could_parse(tmp_path: Path) -> None:
    for name in DATASETS:
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["model", "question", "phrasing", "confidence", "grade"])
            rows.writerow(["m", 0, 1, 0.9, "correct"])
            rows.writerow(["m", 1, 1, 1.0, "wrong"])
            rows.writerow(["m", 2, 1, 0.0, "unparseable"])
    found = read(tmp_path)["mmlu", "m", 1]
    assert found.question.tolist() == [0, 1]
    assert found.correct.tolist() == [True, False]
    # What is certain stays finite, for logarithms.
    assert 0.9 < found.confidence[1] < 1
    assert np.isfinite(found.scores).all()


def test_claims_below_a_quarter_are_among_more_options() -> None:
    found = _world(10).among(8)
    np.testing.assert_allclose(found.probs.sum(axis=1), 1)
    assert (found.probs[:, :1] >= found.probs).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_map_from_many_answers_is_nearer_to_the_odds(name: str) -> None:
    world = _world(3_000)
    some, others = world.take(np.arange(1_000)), world.take(np.arange(1_000, 3_000))
    apply, fell_back = fitted(name, some)
    assert not fell_back
    found, raw = (score(c, others.correct) for c in (apply(others), others.confidence))
    assert found.ece < raw.ece / 2 or name in (RAW, "kde")
    assert max(SIZES) <= len(some)


def test_a_map_through_the_service_repairs_confidences_in_steps() -> None:
    rows = service({CASE: _world(1_200)}, 1)
    found = {(row["n"], row["method"]): row for row in rows}
    assert found.keys() == {(n, name) for n in SIZES for name in ("before", *ASKED)}
    few, many = found[20, "beta"], found[1_000, "beta"]
    assert found[1_000, "before"]["ece"] > 0.25
    assert many["ece"] < few["ece"] < 0.25
    assert many["null_ece"] > 0
    assert found[20, "isotonic"]["fell_back"] == 1
    assert service({("hellaswag", "m", 1): _world(10)}, 1) == []


def test_a_threshold_with_a_guarantee_keeps_it_where_raw_words_do_not() -> None:
    world = {(name, "m", 1): _world(1_000) for name in DATASETS}
    kept = {
        (row["rule"], row["target"]): row["kept"] for row in promises(world, 5) if row["n"] == 200
    }
    assert kept[RULES[0], 0.3] == 0
    assert kept[RULES[2], 0.3] == 1
