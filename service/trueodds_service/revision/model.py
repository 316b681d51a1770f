"""A model's revision: what has to be the same for its calibrators to hold."""

import hashlib
import json
from pathlib import Path
from typing import Any

from trueodds_service.errors import ConfigError
from trueodds_service.revision import whole
from trueodds_service.revision.whole import Progress

# What decides the numbers: shapes, tokens and weights. A README or a licence does not.
_TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "*.model",
    "vocab*",
    "merges.txt",
    "chat_template*",
)
_WEIGHTS = ("*.safetensors", "*.bin")
_INDICES = tuple(f"{pattern}.index.json" for pattern in _WEIGHTS)
# Where older checkpoints of ModelOpt tell how they are quantized: vLLM reads it.
_MODELOPT = "hf_quant_config.json"

# Files up to this size are content themselves; of larger ones, what ``whole`` makes of them is.
_LARGE_BYTES = 64 * 2**20


def model_revision(
    weights: Path,
    adapter: Path | None = None,
    progress: Progress | None = None,
    *,
    quantization: str = "none",
) -> str:
    """SHA-256, as 16 hexadecimal digits, over the names, sizes and content of a model's files, and
    over the ``quantization`` that they go through when they are loaded, if any: it moves answers by
    several times what a 16-bit format does (benchmarks/NOTES.md).

    Takes minutes for large weights that were never read here; ``progress`` is told how far it is.

    Raises ConfigError when a folder holds no weights or cannot be read.
    """
    digest = hashlib.sha256()
    _update_weights(digest, weights, "config.json", progress)
    if adapter is not None:
        _update_weights(digest, adapter, "adapter_config.json", progress)
    if quantization != "none":
        digest.update(f"quantization\0{quantization}".encode())
    return digest.hexdigest()[:16]


def tokenizer_revision(weights: Path, adapter: Path | None = None) -> str:
    """The same, over the tokenizer and the chat template alone, an adapter's own among them."""
    digest = hashlib.sha256()
    for folder in (weights, adapter):
        if folder is not None:
            _update_files(digest, folder, _TOKENIZER)
    return digest.hexdigest()[:16]


def check_weights(folder: Path) -> None:
    """Raises ConfigError when a folder holds no weights: known at once, and not once it loads."""
    if not any(path.is_file() for pattern in _WEIGHTS for path in folder.glob(pattern)):
        if folder.suffix == ".gguf" or any(folder.glob("*.gguf")):
            raise ConfigError(
                f"{folder}: GGUF weights are not read by vLLM; docs/install.md tells how to write "
                "them as safetensors"
            )
        raise ConfigError(f"{folder}: holds no weights ({', '.join(_WEIGHTS)})")


def check_architecture(folder: Path) -> None:
    """Raises ConfigError when a model's ``config.json`` cannot be read or does not say what it is.

    vLLM then guesses, and takes some models that write for models that only embed.
    """
    path = folder / "config.json"
    if not _config(path).get("architectures"):
        raise ConfigError(
            f'{path}: names no `architectures`, such as ["LlamaForCausalLM"]: vLLM would guess '
            "what the model is"
        )


def quantized_by(folder: Path) -> str | None:
    """How a checkpoint's weights are quantized, such as "awq"; None where they are not.

    Looks where vLLM does. Raises ConfigError when its ``config.json`` cannot be read.
    """
    config = _config(folder / "config.json")
    for part in (config, config.get("text_config")):
        told = part.get("quantization_config") if isinstance(part, dict) else None
        if isinstance(told, dict):
            return str(told.get("quant_method"))
    if "compression_config" in config:
        return "compressed-tensors"
    return "modelopt" if (folder / _MODELOPT).is_file() else None


def check_quantization(folder: Path, quantization: str) -> None:
    """Raises ConfigError when weights that are quantized already are to be quantized once more."""
    if quantization != "none" and (method := quantized_by(folder)) is not None:
        raise ConfigError(
            f"quantization {quantization}: the weights are quantized already ({method}) and served "
            "as they are; leave it out"
        )


def _config(path: Path) -> dict[str, Any]:
    """Empty where it is no object."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({type(error).__name__})") from error
    return config if isinstance(config, dict) else {}


def _update_weights(
    digest: "hashlib._Hash", folder: Path, config: str, progress: Progress | None
) -> None:
    check_weights(folder)
    _update_files(digest, folder, (config, _MODELOPT, *_TOKENIZER, *_WEIGHTS, *_INDICES), progress)


def _update_files(
    digest: "hashlib._Hash",
    folder: Path,
    patterns: tuple[str, ...],
    progress: Progress | None = None,
) -> None:
    found = sorted(
        {path for pattern in patterns for path in folder.glob(pattern) if not path.is_dir()}
    )
    try:
        sizes = {path: path.stat().st_size for path in found}
        large = whole.digests((path for path in found if sizes[path] > _LARGE_BYTES), progress)
        for path in found:
            digest.update(f"{path.name}\0{sizes[path]}\0".encode())
            digest.update(large[path].encode() if path in large else path.read_bytes())
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{folder}: cannot be read ({type(error).__name__}: {why})") from error
