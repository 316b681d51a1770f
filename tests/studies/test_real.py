"""The study of real models, on readings that are made up."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from studies.arrays import save_arrays
from studies.intervals import over_groups, over_units
from studies.paper.effects import above_all, difference, table
from studies.paper.exercises import Exercise, preference
from studies.paper.posthoc import OWN, SIZES, cases, rows
from studies.paper.readings import Readings
from studies.real import picture, pooling
from studies.real.gather import placed
from studies.real.tasks import index, load
from studies.report import paper
from studies.report import real as report
from studies.report.claims import FAILS, HOLDS, UNTOLD, judged
from studies.results import load as recorded
from studies.simulation import World

from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.pooling import task_estimate
from trueodds_service.prompts.question import Question, letters

N = 400


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that is right as often as it says, and an aligned model that is six times as sharp.

    The aligned one was asked one of the two subjects only, after shots.
    """
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1, (N, 4))
    probs = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)

    def logprobs(sharper: float) -> NDArray[np.float16]:
        logits = honest * sharper
        found = np.full((N, 5), np.nan)
        found[:, :4] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return found.astype(np.float16)

    arrays = {"tasks": np.array(["mmlu/one", "mmlu/two"]), "task": np.arange(N) % 2}
    arrays["labels"] = labels
    for model, sharper in (("base", 1.0), ("aligned", 6.0)):
        for shots in (0, 5):
            arrays[f"{model}/paren/{shots}/logprobs"] = logprobs(sharper)
            arrays[f"{model}/paren/{shots}/format"] = np.full(N, 0.5)
            arrays[f"{model}/paren/{shots}/mass"] = np.full(N, 0.9)
    for field in ("logprobs", "format", "mass"):
        arrays[f"aligned/paren/5/{field}"][1::2] = np.nan
    path = tmp_path_factory.mktemp("readings") / "real.npz"
    save_arrays(arrays, path)
    return path


@pytest.fixture(scope="module")
def readings(path: Path) -> Readings:
    return Readings([path])


def test_questions_are_found_by_subject_and_by_task(readings: Readings) -> None:
    assert readings.models == ["base", "aligned"]
    assert readings.tasks == ["mmlu"]
    assert len(readings.of("base", "paren/0", "mmlu")) == N
    assert readings.of("base", "paren/0", "mmlu/one").place.tolist() == list(range(0, N, 2))


def test_a_model_may_have_been_asked_less_than_another(readings: Readings) -> None:
    asked = [("aligned", "paren/5"), ("base", "paren/5")]
    fewer, others = readings.common(asked, "mmlu")
    assert fewer.place.tolist() == others.place.tolist() == list(range(0, N, 2))
    assert {row["n"] for row in table(readings) if row["model"] == "aligned"} == {N, N // 2}


def test_files_of_other_questions_are_no_readings_of_these(path: Path, tmp_path: Path) -> None:
    with np.load(path) as arrays:
        others = {"labels": (arrays["labels"] + 1) % 4, "task": arrays["task"]}
        save_arrays(others | {"tasks": arrays["tasks"]}, tmp_path / "others.npz")
    with pytest.raises(ValueError, match="other questions"):
        Readings([path, tmp_path / "others.npz"])


def test_the_highest_of_several_is_told_from_the_others(readings: Readings) -> None:
    sharp, honest = ("aligned", "paren/0"), ("base", "paren/0")
    assert above_all(readings, sharp, [honest, ("base", "paren/5")], "mmlu")["low"] > 0
    assert above_all(readings, honest, [sharp, ("base", "paren/5")], "mmlu")["high"] < 0


def test_recorded_answers_are_put_at_their_questions_places(tmp_path: Path) -> None:
    twice = ["Which?", "a", "b", "c", "d", "A"]
    rows = [twice, ["What?", "a", "", "c", "d", "C"], ["Who?", "a", "b", "c", "d", "B"], twice]
    for part in ("dev", "test"):
        file = tmp_path / "mmlu" / part / f"one_{part}.csv"
        file.parent.mkdir(parents=True)
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows(rows)
    said = {"model/paren/0/format": np.array([0.1, 0.2, 0.3, 0.4])}
    asked = {"tasks": np.array(["mmlu/one"]), "task": np.zeros(4, np.uint8)}
    labels = np.array([0, 2, 1, 0])
    found = placed(said | asked | {"labels": labels}, tmp_path)
    known = load(tmp_path)
    (task,) = known
    of_question = {"Which?": (0.1, 0.4), "Who?": (0.3,)}
    for question, value in zip(task.questions, found["model/paren/0/format"], strict=True):
        assert value in of_question[question.text]
    assert len(set(found["model/paren/0/format"])) == len(task.questions) == 3
    assert all(np.array_equal(found[key], each) for key, each in index(known).items())
    with pytest.raises(SystemExit, match="other answers"):
        placed(said | asked | {"labels": labels + 1}, tmp_path)


def test_the_sharper_model_has_the_higher_error(readings: Readings) -> None:
    found = difference(readings, ("aligned", "paren/0"), ("base", "paren/0"), "mmlu")
    assert 0.1 < found["low"] < found["mean"] < found["high"]


def test_the_teacher_repairs_it_from_five_questions(readings: Readings) -> None:
    table, fits = rows(cases(readings, "aligned", "paren/0", "base", ["mmlu"]), draws=3)
    ece = {row["method"]: row["ece"] for row in table if row["n"] == SIZES[0]}
    assert ece["teacher_kl"] < ece["identity"] / 2
    assert {method.value for method in OWN} < ece.keys()
    assert len(fits) == 3 * len(SIZES)
    assert all(fit["disagreement"] == 0 for fit in fits)


def test_a_preference_is_between_what_its_scheme_names() -> None:
    exercise = Exercise(Question("Which?", ("a", "b", "c", "d"), letters(4)), right=1, wrong=3)
    worse = {kind: preference(exercise, kind)["rejected"] for kind in ("format", "choice", "mixed")}
    assert worse == {"format": " B", "choice": " (D)", "mixed": " D"}
    assert preference(exercise, "choice")["chosen"] == " (B)"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([1.0, 1.1, 0.9], HOLDS), ([-1.0, -1.1, -0.9], FAILS), ([1.0, -1.0, 0.1], UNTOLD)],
)
def test_a_claim_holds_where_its_whole_interval_does(values: list[float], verdict: str) -> None:
    found = over_units(values)
    assert judged("a", "b", "c", "d", found, 1, "units").holds == verdict


def test_an_interval_over_groups_draws_them_whole() -> None:
    groups = [np.full(3, 1), np.full(1, 5)]
    found = over_groups(groups, lambda rows: float(rows.mean()))
    assert (found["mean"], found["low"], found["high"], found["n"]) == (2.0, 1.0, 5.0, 2)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.02, 0.02, HOLDS), (0.04, 0.06, FAILS), (0.02, 0.04, UNTOLD)]
)
def test_near_is_a_whole_interval_within_the_margin(low: float, high: float, verdict: str) -> None:
    found = {"mean": 0.0, "low": low, "high": high, "n": 10}
    asked = {"sft-format paren/0": found}
    effects = {"aligned_after_shots": asked, "overconfidence_after_shots": {}}
    worst = {"dpo_choice_above_all": dict.fromkeys(paper.WAYS, found)}
    claim, *_ = paper.schemes(report.PLACE, effects | worst)
    assert (claim.id, claim.holds) == ("scheme-sft-format-paren-0", verdict)


def test_every_recorded_claim_has_an_id_of_its_own() -> None:
    found = [claim.id for claim in report.claims(recorded("real"))]
    assert len(found) == len(set(found)) > 0


def test_the_readme_s_picture_is_what_the_readings_give() -> None:
    committed = Path(__file__).parents[2] / picture.OUTPUT
    assert picture.drawn() == committed.read_text(encoding="utf-8")


def test_the_inverse_temperature_and_its_error_are_those_of_the_service() -> None:
    data, _ = World(disagreement=0.2).draw(np.random.default_rng(0), 100, log_t=1.0)
    inverse, own = pooling.inverse_estimate(data), task_estimate(data)
    assert own is not None
    assert inverse.log_t == pytest.approx(np.exp(-own.log_t), rel=1e-6)
    # The delta method: d ln T = −T d(1/T).
    assert inverse.standard_error == pytest.approx(
        own.standard_error * np.exp(-own.log_t), rel=1e-6
    )


def test_of_tasks_at_chance_the_pooled_inverse_is_next_to_nought() -> None:
    rng = np.random.default_rng(1)
    drawn = {
        f"{number}": FitData(
            rng.normal(0, 3, (50, 4)), teacher_logprobs=rng.normal(0, 0.1, (50, 4))
        )
        for number in range(5)
    }
    for _, by in pooling.temperatures(drawn):
        assert by[pooling.INVERSE] > 50
