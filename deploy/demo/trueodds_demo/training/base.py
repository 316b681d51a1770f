"""The base model: next-token prediction on the documents of the world."""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trueodds_demo.training.corpus import Tokens, batches
from trueodds_demo.training.optimisation import minimise
from trueodds_demo.training.settings import Recipe, Shape
from trueodds_demo.training.tokenizer import END, load_tokenizer, token_id


def new_model(shape: Shape, end: int) -> LlamaForCausalLM:
    """An untrained model; input and output share their embedding."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads,
            max_position_embeddings=shape.positions,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def pretrain(recipe: Recipe, folder: Path, device: str) -> None:
    """Train a base model with the tokenizer in ``folder`` and save it there in bfloat16."""
    settings = recipe.pretraining
    torch.manual_seed(recipe.seed)
    model = new_model(recipe.shape, token_id(load_tokenizer(folder), END)).to(device)

    def loss(tokens: Tokens) -> torch.Tensor:
        ids = torch.from_numpy(tokens).to(device, torch.int64)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())

    minimise(
        "base",
        model,
        batches(folder, settings.steps, settings.batch, settings.window, recipe.seed),
        loss,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
    )
    save_model(model, folder)


def save_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Round a model to bfloat16, in place, and write it."""
    model.to(torch.bfloat16).save_pretrained(folder)


def load_model(folder: Path, device: str) -> LlamaForCausalLM:
    """A saved model in float32: exactly the rounded weights, without further rounding."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.to(device).eval()
