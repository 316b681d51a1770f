"""The schemes, trained by trl as LoRA adapters of a pre-trained model."""

import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from studies.paper.exercises import HELD_OUT, Source, preference, supervised
from studies.paper.schemes import TRAINED
from trueodds_service.prompts.formats import PAREN, ask


@dataclass(frozen=True)
class Settings:
    """How each stage of a scheme is trained; adapters are on every linear layer."""

    rank: int
    sft_rate: float
    dpo_rate: float
    beta: float
    steps: int = 200
    batch: int = 32


def train(
    base: Path, scheme: str, exercises: Source, settings: Settings, output: Path, *, merged: bool
) -> None:
    """Writes a scheme's model, merged with its base or the adapter alone, and `synthetic.json`:
    what it knows of the task that it was trained on.
    """
    started = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(base)
    with tempfile.TemporaryDirectory() as unused:
        model = align(base, tokenizer, scheme, exercises, settings, unused)
    found = examined(model, tokenizer, exercises)
    # After a preference there may be two: that of the reference, too.
    if merged:
        model.merge_and_unload(adapter_names=["default"]).save_pretrained(output)
        tokenizer.save_pretrained(output)
    else:
        # What peft writes of the base would be a path of this machine.
        model.peft_config["default"].base_model_name_or_path = base.name
        model.to(torch.bfloat16).save_pretrained(
            output, selected_adapters=["default"], save_embedding_layers=False
        )
        (output / "README.md").unlink()
    (output / "synthetic.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"{time.perf_counter() - started:4.0f} s  {scheme} {found}", flush=True)


def align(
    base: Path, tokenizer: Any, scheme: str, exercises: Source, settings: Settings, folder: str
) -> Any:
    """The base with a trained adapter. Every stage draws exercises of its own.

    Trainers want a ``folder`` of their own, and write nothing that is needed.
    """
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapter = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(model, adapter)
    steps, batch = settings.steps, settings.batch
    common: dict[str, Any] = {
        "output_dir": folder,
        "max_steps": steps,
        # Logits of a large vocabulary, twice for preferences: half a batch at once.
        "per_device_train_batch_size": batch // 2,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 20),
        "gradient_checkpointing": False,
        "bf16": torch.cuda.is_available(),
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": max(1, steps // 4),
        "disable_tqdm": True,
    }
    for stage, (kind, on) in enumerate(TRAINED[scheme]):
        seen = exercises(steps * batch, f"{scheme}/{stage}")
        if kind == "sft":
            prepared = {"dataset_kwargs": {"skip_prepare_dataset": True}}
            config = SFTConfig(learning_rate=settings.sft_rate, **prepared, **common)
            rows = _rows(supervised(tokenizer, each, on) for each in seen)
            trainer: Any = SFTTrainer(model, config, train_dataset=rows)
        else:
            config = DPOConfig(learning_rate=settings.dpo_rate, beta=settings.beta, **common)
            rows = _rows(preference(each, on) for each in seen)
            trainer = DPOTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer)
        trainer.train()
        model = trainer.accelerator.unwrap_model(trainer.model)
    return model


def _rows(rows: Iterable[Any]) -> Any:
    return Dataset.from_list(list(rows))


def examined(model: Any, tokenizer: Any, exercises: Source) -> dict[str, float]:
    """Accuracy and p(F | x) on exercises that it was not trained on."""
    model.eval()
    right, formats = [], []
    identifier = tokenizer(PAREN.identifier, add_special_tokens=False)["input_ids"]
    options = [tokenizer(x, add_special_tokens=False)["input_ids"][0] for x in "ABCD"]
    for each in exercises(HELD_OUT, "held out"):
        ids = tokenizer(ask(each.question, PAREN) + PAREN.identifier)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([ids], device=model.device)).logits[0].float()
        formats.append(float(logits[-2].softmax(-1)[identifier[-1]]))
        right.append(int(logits[-1, options].argmax()) == each.right)
    return {"accuracy": sum(right) / len(right), "format": sum(formats) / len(formats)}
