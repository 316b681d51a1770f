"""The study in the demo's world: its exercises, its weights, and the claims about its readings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import PeftModel
from studies.arrays import save_arrays
from studies.paper.comparisons import ASKED, compared
from studies.paper.exercises import supervised
from studies.paper.readings import WORLD, Readings
from studies.paper.schemes import SCHEMES, TRAINED
from studies.reader import Reader
from studies.report import paper
from studies.report import world as report
from studies.report.claims import HOLDS
from studies.results import load as recorded
from studies.world.__main__ import ALIGNED, of_model
from studies.world.exercises import exercises
from studies.world.models import BASE, SHIPPED, SIZES, weights
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueodds_demo.world import TASKS, held_out
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.prompts.formats import PAREN, ask

SHIPPED_BYTES = 24_000_000
# Questions of each of two made-up tasks, one of which has two options.
N = 150


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pre-trained models that are right as often as they say, if they answer, and aligned ones
    that are four times as sharp.
    """
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (2 * N, 4))
    honest[N:, 2:] = -np.inf
    probs = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)

    def logprobs(sharper: float) -> NDArray[np.float64]:
        logits = honest * sharper
        found = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.where(np.isinf(found), np.nan, found)

    arrays = {"tasks": np.array([f"{WORLD}/four", f"{WORLD}/two"])}
    arrays["task"] = np.repeat([0, 1], N)
    arrays["labels"] = (probs.cumsum(axis=1) < rng.random((2 * N, 1))).sum(axis=1)
    for model in weights():
        for way in ASKED:
            arrays[f"{model}/{way}/logprobs"] = logprobs(1.0 if model in SIZES else 4.0)
            arrays[f"{model}/{way}/format"] = np.full(2 * N, 0.4 if way.endswith("0") else 1.0)
            arrays[f"{model}/{way}/mass"] = np.full(2 * N, 1.0)
    path = tmp_path_factory.mktemp("world") / "world.npz"
    save_arrays(arrays, path)
    return path


@pytest.mark.parametrize(
    ("loss_on", "carry"),
    [("format", [" (", ")"]), ("choice", ["{label}"]), ("mixed", [" (", "{label}", ")"])],
)
def test_the_loss_is_on_the_tokens_that_the_scheme_names(loss_on: str, carry: list[str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(weights()[BASE].model)
    for exercise in exercises(20, "masks"):
        row = supervised(tokenizer, exercise, loss_on)
        pairs = list(zip(row["input_ids"], row["labels"], strict=True))
        found = [tokenizer.decode([token]) for token, label in pairs if label != -100]
        label = exercise.question.labels[exercise.right]
        assert found == [each.format(label=label) for each in carry]
        assert all(label in (token, -100) for token, label in pairs)
        assert tokenizer.decode(row["input_ids"]).startswith(ask(exercise.question, PAREN))


def test_a_scheme_is_named_after_its_one_stage() -> None:
    assert {name: [tuple(name.split("-"))] for name in SCHEMES} == SCHEMES


def test_an_exercise_s_right_option_is_the_one_that_its_passage_names() -> None:
    known = {each.question for each in held_out("openbook", 500)}
    seen = list(exercises(300, "test"))
    for each in seen:
        named = [option in each.question.passage for option in each.question.options]
        assert named == [place == each.right for place in range(len(named))]
        assert each.wrong != each.right
        assert each.question not in known
    assert {each.right for each in seen} == {0, 1, 2, 3}


def test_all_shipped_weights_are_within_24_mb() -> None:
    folders = {folder for each in weights().values() for folder in (each.model, each.adapter)}
    files = [file for folder in folders if folder for file in folder.glob("*.safetensors")]
    assert len(files) == len(SIZES) + 1 + len(TRAINED)
    assert sum(file.stat().st_size for file in files) <= SHIPPED_BYTES


def test_no_file_beside_the_weights_names_a_place_of_the_machine_that_trained() -> None:
    for file in SHIPPED.rglob("*.json"):
        if not file.name.startswith("tokenizer"):
            assert '"/' not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["sft-format", "sft-then-dpo"])
def test_an_adapter_is_read_as_peft_reads_it(scheme: str) -> None:
    found = weights()[scheme]
    (example,) = held_out("openbook", 1)
    reading = Reader(found.model, found.adapter).read([example], [], PAREN)
    base = AutoModelForCausalLM.from_pretrained(found.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(found.model)
    text = ask(example.question, PAREN) + PAREN.identifier
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    labels = [tokenizer(label)["input_ids"][0] for label in example.question.labels]
    with torch.inference_mode():
        plain = base(ids).logits[0, -1].log_softmax(-1)[labels]
        expected = PeftModel.from_pretrained(base, found.adapter)(ids).logits[0, -1]
    expected = expected.log_softmax(-1)[labels]
    np.testing.assert_allclose(reading.logprobs[0], expected.numpy(), atol=1e-3)
    assert (expected - plain).abs().max() > 0.1


@pytest.mark.parametrize("size", SIZES)
def test_every_pre_trained_model_says_what_the_world_s_questions_warrant(size: str) -> None:
    examples = held_out("openbook", 32)
    logprobs = Reader(weights()[size].model).read(examples, [], PAREN).logprobs
    truth = np.array([each.distribution for each in examples])
    distance = np.abs(answer_distribution(logprobs) - truth).sum(axis=1).mean() / 2
    uniform = np.abs(0.25 - truth).sum(axis=1).mean() / 2
    assert distance < uniform / 2


def test_an_option_that_a_question_lacks_has_no_probability(made_up: Path) -> None:
    answers = Readings([made_up]).of("base", "paren/0", WORLD)
    probs = answer_distribution(answers.logprobs)
    np.testing.assert_allclose(probs[N:, 2:], 0, atol=1e-12)
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def test_claims_follow_from_the_readings(made_up: Path) -> None:
    effects = compared(Readings([made_up]), BASE, ALIGNED, WORLD)
    claims = [
        *paper.aligned(report.PLACE, effects),
        *paper.schemes(report.PLACE, effects),
        *paper.decomposition(report.PLACE, {"effects": effects, "table": []}, WORLD),
    ]
    by_id = {claim.id: claim for claim in claims}
    for name in ("aligned-worse-demo-aligned-paren-0", "overconfident-sft-then-dpo-letter-5",
                 "scheme-sft-choice-paren-5", "format-left-in-small-paren-0"):  # fmt: skip
        claim = by_id[f"world-{name}"]
        assert (claim.holds, claim.n) == (HOLDS, 2 * N)
        assert claim.ci_low < claim.effect


def test_the_teacher_repairs_each_task_by_itself(made_up: Path) -> None:
    found = of_model("demo-aligned", "paren/5", made_up, draws=3)
    assert all(len(row["ece"]) == 2 for row in found["posthoc"])
    (raw,) = (r for r in found["posthoc"] if (r["n"], r["method"]) == (20, "identity"))
    (taught,) = (r for r in found["posthoc"] if (r["n"], r["method"]) == (20, "teacher_kl"))
    assert np.all(np.array(taught["ece"]) < raw["ece"])
    assert all(each["median"] == pytest.approx(4, rel=1e-3) for each in taught["temperature"])


def test_every_recorded_claim_has_an_id_of_its_own_and_an_interval() -> None:
    found = list(report.claims(recorded("world")))
    assert len({claim.id for claim in found}) == len(found) > 100
    assert all(claim.id.startswith("world-") and claim.n for claim in found)
    assert all(claim.ci_low <= claim.ci_high for claim in found)


def test_the_record_is_of_all_models_and_tasks() -> None:
    result = recorded("world")
    assert set(result["models"]) == set(weights())
    assert result["tasks"] == [f"{WORLD}/{task}" for task in TASKS]
    assert result["draws"] >= 100
