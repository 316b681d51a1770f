"""Models by their shape alone: ``config.json`` and a tokenizer, for vLLM's dummy weights."""

import json
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CONTEXT = 4096

Architecture = Literal["llama", "qwen3"]
_ARCHITECTURES: dict[Architecture, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"},
}


@dataclass(frozen=True)
class Shape:
    """A Llama."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int = 128_256
    tied: bool = False

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def flops_per_token(self) -> int:
        """Those of the matrices between embedding and head; two for each weight."""
        attention = self.hidden * self.head_size * 2 * (self.heads + self.kv_heads)
        return 2 * self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def flops_per_context_token(self) -> int:
        """What a token's attention costs for each token that it looks back on."""
        return 4 * self.layers * self.hidden

    @property
    def flops_per_answer(self) -> int:
        """Those of the head, at the one place where the options are read."""
        return 2 * self.hidden * self.vocabulary

    @property
    def kv_bytes_per_token(self) -> int:
        """In 16 bits."""
        return 4 * self.layers * self.kv_heads * self.head_size


SHAPES = {
    "70b": Shape(8192, 28672, 80, 64, 8),
    "32b": Shape(5120, 27648, 64, 40, 8),
    "8b": Shape(4096, 14336, 32, 32, 8),
    "1b": Shape(2048, 8192, 16, 32, 8, tied=True),
    "tiny": Shape(128, 256, 2, 2, 2, vocabulary=40_960),
}


def write(
    shape: Shape, tokenizer: Path, folder: Path, architecture: Architecture = "llama"
) -> Path:
    """A model folder of that shape; its weights file is empty, for nothing reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in tokenizer.iterdir():
        shutil.copy(file, folder)
    text = json.dumps({**_config(shape), **_ARCHITECTURES[architecture]}, indent=2)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    header = b"{}"
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "attention_bias": False,
        "bos_token_id": None,
        "dtype": "bfloat16",
        "eos_token_id": 0,
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": CONTEXT,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"},
        "tie_word_embeddings": shape.tied,
        "vocab_size": shape.vocabulary,
    }
