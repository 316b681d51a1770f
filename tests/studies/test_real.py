"""The study of real models, on readings that are made up."""

import numpy as np
import pytest
from numpy.typing import NDArray
from studies.intervals import over_units
from studies.real.effects import difference
from studies.real.posthoc import OWN, SIZES, cases, rows
from studies.real.readings import Readings
from studies.real.synthetic import Exercise, preference
from studies.report.claims import FAILS, HOLDS, UNTOLD, judged

from trueodds_service.prompts.question import Question, letters

N = 400


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Readings:
    """A base that is right as often as it says, and an aligned model that is six times as sharp."""
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
    path = tmp_path_factory.mktemp("readings") / "real.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return Readings([path])


def test_questions_are_found_by_subject_and_by_task(readings: Readings) -> None:
    assert readings.models == ["base", "aligned"]
    assert readings.tasks == ["mmlu"]
    assert len(readings.of("base", "paren/0", "mmlu")) == N
    assert readings.of("base", "paren/0", "mmlu/one").place.tolist() == list(range(0, N, 2))


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
