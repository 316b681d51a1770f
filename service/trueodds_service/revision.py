"""A model's revision: what has to be the same for its calibrators to hold."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from trueodds_service.errors import ConfigError

# What decides the numbers: shapes, tokens and weights. A README or a licence does not.
_PATTERNS = (
    "config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "*.model",
    "vocab*",
    "merges.txt",
)
_WEIGHTS = ("*.safetensors", "*.bin")
_INDICES = tuple(f"{pattern}.index.json" for pattern in _WEIGHTS)

# Files up to this size are read whole; of larger ones, blocks spread evenly over the file. A new
# training run changes every block, so samples tell it apart without reading 100 GB at start-up.
_WHOLE_BYTES = 64 * 2**20
_SAMPLES = 256
_SAMPLE_BYTES = 64 * 2**10


def model_revision(weights: Path) -> str:
    """SHA-256, as 16 hexadecimal digits, over the names, sizes and content of a model's files.

    Raises ConfigError when the folder holds no weights or cannot be read.
    """
    patterns = (*_PATTERNS, *_WEIGHTS, *_INDICES)
    found = {path for pattern in patterns for path in weights.glob(pattern) if not path.is_dir()}
    if not any(path.match(pattern) for path in found for pattern in _WEIGHTS):
        raise ConfigError(f"{weights.name}: holds no weights (*.safetensors)")
    digest = hashlib.sha256()
    try:
        for path in sorted(found):
            size = path.stat().st_size
            digest.update(f"{path.name}\0{size}\0".encode())
            with path.open("rb") as file:
                _update(digest, file, size)
    except OSError as error:
        raise ConfigError(f"{weights.name}: cannot be read ({type(error).__name__})") from error
    return digest.hexdigest()[:16]


def _update(digest: "hashlib._Hash", file: BinaryIO, size: int) -> None:
    if size <= _WHOLE_BYTES:
        digest.update(file.read())
        return
    for sample in range(_SAMPLES):
        file.seek((size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
        digest.update(file.read(_SAMPLE_BYTES))
