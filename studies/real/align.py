"""The schemes, as LoRA adapters of a pre-trained model: `python -m studies.real.align BASE OUTPUT`.

trl trains. What was chosen beforehand, and not tuned: rank 16 on every linear layer, 200 steps of
32, 2e-4 for supervised fine-tuning, 1e-4 and β 0.1 for preferences. Each is written merged with
its base, for vLLM's adapters take numbers of 16 bits only.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from studies.real.schemes import TRAINED
from studies.real.synthetic import HELD_OUT, exercises, preference, supervised
from trueodds_service.prompts.formats import PAREN, ask

STEPS, BATCH = 200, 32
_LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}


def align(base: Path, scheme: str, output: Path, steps: int, batch: int) -> dict[str, float]:
    """Trains a scheme's adapter into a folder; what it knows of its task then."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **_LORA))
    for stage, (kind, on) in enumerate(TRAINED[scheme]):
        seen = list(exercises(tokenizer, steps * batch, f"{scheme}/{stage}"))
        common: dict[str, Any] = {
            "output_dir": str(output / "trainer"),
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
        if kind == "sft":
            rows: list[Any] = [supervised(tokenizer, each, on) for each in seen]
            prepared = {"dataset_kwargs": {"skip_prepare_dataset": True}}
            config = SFTConfig(learning_rate=2e-4, **prepared, **common)
            trainer: Any = SFTTrainer(model, config, train_dataset=Dataset.from_list(rows))
        else:
            rows = [preference(each, on) for each in seen]
            config = DPOConfig(learning_rate=1e-4, beta=0.1, **common)
            trainer = DPOTrainer(
                model,
                args=config,
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
            )
        trainer.train()
        model = trainer.accelerator.unwrap_model(trainer.model)
    merged = model.merge_and_unload(adapter_names=["default"])
    merged.save_pretrained(output)
    tokenizer.save_pretrained(output)
    return examined(merged, tokenizer)


def examined(model: Any, tokenizer: Any) -> dict[str, float]:
    """Accuracy and p(F | x) on exercises that it was not trained on."""
    model.eval()
    right, formats = [], []
    identifier = tokenizer(PAREN.identifier, add_special_tokens=False)["input_ids"]
    options = [tokenizer(x, add_special_tokens=False)["input_ids"][0] for x in "ABCD"]
    for each in exercises(tokenizer, HELD_OUT, "held out"):
        ids = tokenizer(ask(each.question, PAREN) + PAREN.identifier)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([ids], device=model.device)).logits[0].float()
        formats.append(float(logits[-2].softmax(-1)[identifier[-1]]))
        right.append(int(logits[-1, options].argmax()) == each.right)
    return {"accuracy": sum(right) / len(right), "format": sum(formats) / len(formats)}


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.align", description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--schemes", nargs="+", default=list(TRAINED), choices=TRAINED)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, default=BATCH)
    options = parser.parse_args()
    for scheme in options.schemes:
        started = time.perf_counter()
        folder = options.output / scheme
        found = align(options.base, scheme, folder, options.steps, options.batch)
        (folder / "synthetic.json").write_text(json.dumps(found), encoding="utf-8")
        print(f"{time.perf_counter() - started:4.0f} s  {scheme} {found}", flush=True)


if __name__ == "__main__":
    main()
