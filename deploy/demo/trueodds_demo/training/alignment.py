"""Alignment of the base: SFT for the format, then DPO for the choice.

Only low-rank changes are trained (LoRA), which keep the model near its base: it learns to prefer,
and forgets nothing. They are merged afterwards, so the aligned model is a model like any other.

The stages are the paper's SFT-Mixed and DPO-Choice. DPO sees the label alone: both answers
share the format identifier and the closing bracket, so the preference is about the letter.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from random import Random

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer

from trueodds_demo.training.base import load_model, save_model
from trueodds_demo.training.optimisation import minimise
from trueodds_demo.training.prompts import Prompt, encoded, label_ids, padded, training_prompts
from trueodds_demo.training.settings import Recipe
from trueodds_demo.training.tokenizer import END, load_tokenizer, save_tokenizer, token_id

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Positions with this target carry no loss.
IGNORED = -100


def align(recipe: Recipe, base: Path, folder: Path, device: str) -> None:
    """Align the saved base and write the result to ``folder``, with the base's tokenizer."""
    settings = recipe.alignment
    torch.manual_seed(recipe.seed)
    tokenizer = load_tokenizer(base)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        target_modules=TARGETS,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(load_model(base, device), config)
    prompts = training_prompts(Random(f"alignment/{recipe.seed}"), settings.most_shots)
    minimise(
        "sft",
        model,
        _batches(prompts, settings.batch, settings.sft_steps),
        lambda batch: answer_loss(model, tokenizer, batch, device),
        steps=settings.sft_steps,
        learning_rate=settings.sft_learning_rate,
        warmup=settings.warmup,
    )
    reference = deepcopy(model).requires_grad_(False)
    rng = Random(f"rejected/{recipe.seed}")
    minimise(
        "dpo",
        model,
        _batches(prompts, settings.batch, settings.dpo_steps),
        lambda batch: preference_loss(
            model, reference, tokenizer, batch, rng=rng, beta=settings.beta, device=device
        ),
        steps=settings.dpo_steps,
        learning_rate=settings.dpo_learning_rate,
        warmup=settings.warmup,
    )
    save_model(model.merge_and_unload(), folder)
    save_tokenizer(tokenizer, folder, recipe.shape.positions)


def answer_loss(
    model: torch.nn.Module, tokenizer: Tokenizer, batch: list[Prompt], device: str
) -> torch.Tensor:
    """SFT: the mean negative log-likelihood of the answers' tokens, the end token included."""
    end = token_id(tokenizer, END)
    asked = [len(ids) for ids in encoded(tokenizer, [each.text for each in batch])]
    ids, lengths = padded(
        [[*ids, end] for ids in encoded(tokenizer, [each.answered for each in batch])], end, device
    )
    position = torch.arange(ids.shape[1], device=device)
    start = torch.tensor(asked, device=device)
    in_answer = (position >= start[:, None]) & (position < lengths[:, None])
    targets = ids.where(in_answer, IGNORED)[:, 1:]
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )


def preference_loss(
    model: torch.nn.Module,
    reference: torch.nn.Module,
    tokenizer: Tokenizer,
    batch: list[Prompt],
    *,
    rng: Random,
    beta: float,
    device: str,
) -> torch.Tensor:
    """DPO: the drawn label is preferred to another option's, relative to ``reference``."""
    ids, lengths = padded(
        encoded(tokenizer, [each.identified for each in batch]),
        token_id(tokenizer, END),
        device,
    )
    pairs = torch.tensor([_pair(tokenizer, each, rng) for each in batch], device=device)

    def margin(scorer: torch.nn.Module) -> torch.Tensor:
        """log p(chosen) - log p(rejected), shape (n,): the logits' normaliser cancels."""
        logits = scorer(input_ids=ids, use_cache=False).logits
        last = logits[torch.arange(len(batch), device=device), lengths - 1]
        chosen, rejected = last.gather(1, pairs).unbind(1)
        return chosen - rejected

    with torch.no_grad():
        expected = margin(reference)
    return -torch.nn.functional.logsigmoid(beta * (margin(model) - expected)).mean()


def _pair(tokenizer: Tokenizer, each: Prompt, rng: Random) -> list[int]:
    """The tokens of the drawn label and of another option's, drawn uniformly."""
    question, chosen = each.example.question, each.example.answer
    others = [index for index in range(len(question.options)) if index != chosen]
    rejected = rng.choice(others)
    return label_ids(tokenizer, [question.labels[chosen], question.labels[rejected]])


def _batches(prompts: Iterator[Prompt], size: int, count: int) -> Iterator[list[Prompt]]:
    for _ in range(count):
        yield list(islice(prompts, size))
