"""The recipe's tokenizer, prompts and measures, without training a model."""

from itertools import islice
from random import Random

import numpy as np
import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer

from trueodds_demo.training import metrics
from trueodds_demo.training.prompts import encoded, padded, prompt, training_prompts
from trueodds_demo.training.settings import Recipe
from trueodds_demo.training.tokenizer import END, train_tokenizer
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
