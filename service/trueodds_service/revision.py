"""A model's revision: what has to be the same for its calibrators to hold."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from trueodds_service.errors import ConfigError

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

# Files up to this size are read whole; of larger ones, blocks spread evenly over the file. A new
# training run changes every block, so samples tell it apart without reading 100 GB at start-up.
_WHOLE_BYTES = 64 * 2**20
_SAMPLES = 256
_SAMPLE_BYTES = 64 * 2**10


def model_revision(weights: Path, adapter: Path | None = None) -> str:
    """SHA-256, as 16 hexadecimal digits, over the names, sizes and content of a model's files.

    Raises ConfigError when a folder holds no weights or cannot be read.
    """
    digest = hashlib.sha256()
    _update_weights(digest, weights, "config.json")
    if adapter is not None:
        _update_weights(digest, adapter, "adapter_config.json")
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
        raise ConfigError(f"{folder}: holds no weights ({', '.join(_WEIGHTS)})")


def _update_weights(digest: "hashlib._Hash", folder: Path, config: str) -> None:
    check_weights(folder)
    _update_files(digest, folder, (config, *_TOKENIZER, *_WEIGHTS, *_INDICES))


def _update_files(digest: "hashlib._Hash", folder: Path, patterns: tuple[str, ...]) -> None:
    found = sorted(
        {path for pattern in patterns for path in folder.glob(pattern) if not path.is_dir()}
    )
    try:
        for path in found:
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode())
            with path.open("rb") as file:
                _update(digest, file, size)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read ({type(error).__name__})") from error


def _update(digest: "hashlib._Hash", file: BinaryIO, size: int) -> None:
    if size <= _WHOLE_BYTES:
        digest.update(file.read())
        return
    for sample in range(_SAMPLES):
        file.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
        digest.update(file.read(_SAMPLE_BYTES))
