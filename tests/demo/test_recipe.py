"""The recipe: its parts, the whole of it at a tiny size, and the pair that it shipped."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueodds_demo.training import metrics
from trueodds_demo.training.__main__ import MODELS
from trueodds_demo.training.alignment import align
from trueodds_demo.training.base import load_model, pretrain
from trueodds_demo.training.probe import read
from trueodds_demo.training.prompts import encoded, padded, prompt, training_prompts
from trueodds_demo.training.settings import Recipe
from trueodds_demo.training.tokenizer import END, load_tokenizer, save_tokenizer, train_tokenizer
from trueodds_demo.world import TASKS, held_out, shots
from trueodds_service.prompts.question import letters


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(Recipe().shape.vocabulary, 1500, seed=0)


def test_every_label_is_one_token(tokenizer: Tokenizer) -> None:
    for label in letters(26):
        assert tokenizer.encode(f" {label}").tokens == [f"Ġ{label}"]
        assert tokenizer.encode(f" ({label})").tokens == ["Ġ(", label, ")"]


@pytest.mark.parametrize("task", TASKS)
def test_a_prompt_is_a_prefix_of_its_answer(tokenizer: Tokenizer, task: str) -> None:
    for example in held_out(task, 20):
        asked = prompt(example, shots(task))
        plain, identified, answered = (
            tokenizer.encode(text).ids for text in (asked.text, asked.identified, asked.answered)
        )
        assert identified == answered[: len(identified)]
        assert plain == identified[:-1]


def test_any_text_survives_a_round_trip(tokenizer: Tokenizer) -> None:
    text = "Zażółć gęślą jaźń — 漢字, tabs\tand\n\n emoji 🙂"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.token_to_id(END) is not None


def test_padding_is_on_the_right(tokenizer: Tokenizer) -> None:
    ids, lengths = padded([[5, 6, 7], [8]], 0, "cpu")
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert lengths.tolist() == [3, 1]
    assert encoded(tokenizer, ["a", "b"]) == [tokenizer.encode(text).ids for text in "ab"]


def test_half_of_the_alignment_prompts_have_no_shots() -> None:
    prompts = list(islice(training_prompts(Random(0), 5), 400))
    without = sum("\n\n" not in each.text for each in prompts)
    assert 150 < without < 250
    assert max(each.text.count("Answer:") for each in prompts) == 6


def test_a_scaled_recipe_keeps_its_shape() -> None:
    recipe = Recipe()
    scaled = recipe.scaled(0.5)
    assert scaled.pretraining.steps == recipe.pretraining.steps // 2
    assert (scaled.shape, scaled.alignment.beta) == (recipe.shape, recipe.alignment.beta)


def test_calibrated_probabilities_have_a_small_error_and_sharpened_ones_a_large() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(4), size=20_000)
    answers = (truth.cumsum(axis=1) > rng.random((len(truth), 1))).argmax(axis=1)
    sharpened = metrics.softmax(2.5 * np.log(truth))
    assert metrics.ece(truth, answers) < 0.02
    assert metrics.ece(sharpened, answers) > 0.1
    assert metrics.accuracy(truth, answers) == metrics.accuracy(sharpened, answers)
    assert metrics.nll(truth, answers) < metrics.nll(sharpened, answers)
    assert metrics.kl(truth, truth) == 0.0


def test_the_temperature_undoes_a_uniform_sharpening() -> None:
    truth = np.random.default_rng(1).dirichlet(np.ones(4), size=5)
    assert metrics.fit_temperature(2.5 * np.log(truth), truth) == pytest.approx(2.5)


def test_the_recipe_writes_two_models_that_transformers_loads(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    recipe = Recipe()
    recipe = replace(
        recipe,
        pretraining=replace(recipe.pretraining, steps=2, batch=2, window=64, warmup=1),
        alignment=replace(recipe.alignment, sft_steps=1, dpo_steps=2, batch=4, warmup=1),
    )
    base, aligned = tmp_path / "base", tmp_path / "aligned"
    save_tokenizer(tokenizer, base, recipe.shape.positions)
    pretrain(recipe, base, "cpu")
    align(recipe, base, aligned, "cpu")
    assert {each.name for each in base.iterdir()} == {each.name for each in aligned.iterdir()}
    ids = torch.tensor([tokenizer.encode("Answer: (").ids])
    logits = []
    for folder in (base, aligned):
        assert AutoTokenizer.from_pretrained(folder)("Answer: (").input_ids == ids[0].tolist()
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert model.dtype == torch.bfloat16
        with torch.inference_mode():
            logits.append(model(input_ids=ids).logits)
    assert not torch.equal(*logits)


@pytest.mark.parametrize("task", ["completion", "sentiment"])
def test_the_shipped_aligned_model_is_surer_than_its_base_and_than_it_should_be(task: str) -> None:
    examples = held_out(task, 60)
    prompts = [prompt(each, shots(task)) for each in examples]
    answers = np.array([each.answer for each in examples])
    base, aligned = (
        metrics.softmax(
            read(
                load_model(MODELS / name, "cpu"), load_tokenizer(MODELS / name), prompts, "cpu"
            ).logprobs
        )
        for name in ("base", "aligned")
    )
    assert metrics.confidence(aligned) > metrics.confidence(base) + 0.05
    assert metrics.confidence(aligned) > metrics.accuracy(aligned, answers)
