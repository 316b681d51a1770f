"""What is served: the demo pair, an adapter, and two small models with other tokenizers.

The two are Llama-shaped, with random weights from a seed, large enough that a distribution over
their vocabulary has a shape. What a model has learned does not matter to arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from trueodds_demo.service import ALIGNED, BASE, MODELS
from verification import families

ADAPTED = "demo-adapted"
CHATML = "chatml"
INST = "inst"

CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
INST_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% else %} {{ message.content }} </s>{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Served:
    """A model's folder, and its adapter's."""

    weights: Path
    adapter: Path | None = None


def build(folder: Path, corpus: Sequence[str]) -> dict[str, Served]:
    """Makes what is not there yet, in ``folder``; every model by its name."""
    torch.manual_seed(0)
    chatml = families.modern(corpus, special=["<|im_start|>", "<|im_end|>"], vocabulary=2048)
    chatml.eos_token = chatml.pad_token = "<|im_end|>"
    inst = families.sentencepiece_bpe(corpus)
    return {
        BASE: Served(MODELS / "base"),
        ALIGNED: Served(MODELS / "aligned"),
        ADAPTED: Served(MODELS / "base", _adapter(MODELS / "base", folder / "adapter")),
        CHATML: Served(_random_model(chatml, CHATML_TEMPLATE, folder / "chatml")),
        INST: Served(_random_model(inst, INST_TEMPLATE, folder / "inst")),
    }


def config(folder: Path, served: dict[str, Served]) -> Path:
    """Writes a configuration that serves the models."""
    models: list[dict[str, Any]] = []
    for name, model in served.items():
        if model.adapter is None:
            models.append({"name": name, "weights": str(model.weights)})
        else:
            models.append({"name": name, "base": BASE, "adapter": str(model.adapter)})
    content = {
        "listen": "127.0.0.1:0",
        "store": "sqlite:///calibrators.sqlite",
        "models": models,
    }
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _random_model(tokenizer: Any, template: str, folder: Path) -> Path:
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.06,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.chat_template = template
    tokenizer.model_max_length = shape.max_position_embeddings
    tokenizer.save_pretrained(folder)
    return folder


def _adapter(weights: Path, folder: Path) -> Path:
    """LoRA over attention and MLP, with a B other than the zeros that it begins with."""
    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    mlp = ["gate_proj", "up_proj", "down_proj"]
    adapted = get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, target_modules=[*attention, *mlp])
    )
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    adapted.save_pretrained(folder)
    return folder
