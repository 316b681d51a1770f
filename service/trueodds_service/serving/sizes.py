"""How much memory a model takes on a GPU, by its files: known before it loads."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from trueodds_service import hub
from trueodds_service.config import ModelSettings, VllmSettings
from trueodds_service.errors import ConfigError
from trueodds_service.revision import quantized_by

_KEY_AND_VALUE = 2
# Files, and what vLLM makes of them, have numbers of 16 bits unless told otherwise.
_BYTES = 2
_TIMES = {"float32": 2}
# What comes of a ``config.json`` whose numbers are not a transformer's.
_NO_TRANSFORMER = (ValueError, TypeError, AttributeError, KeyError, ArithmeticError)


class Size(NamedTuple):
    """Of a model, in bytes."""

    weights: int
    context: int
    """The KV cache of the longest prompt."""


def size_of(model: ModelSettings) -> Size | None:
    """None where the files do not say: they are not here, their ``config.json`` does not describe
    a transformer, or the weights are random or quantized, so that their bytes are not its own.
    """
    engine = model.engine
    if not isinstance(engine, VllmSettings) or engine.load_format == "dummy":
        return None
    try:
        path, weights = _files(model.weights)
        config = json.loads(path.read_bytes())
        if not weights or quantized_by(path.parent) is not None:
            return None
        times, context = _TIMES.get(engine.dtype, 1), _context(config, engine.max_tokens)
        return Size(times * weights, times * context) if context > 0 else None
    except (ConfigError, OSError, RecursionError, *_NO_TRANSFORMER):
        return None


def _files(weights: Path) -> tuple[Path, int]:
    """``config.json``, and the bytes of the weights. Raises OSError or ConfigError."""
    if (name := hub.hub_name(weights)) is not None:
        return hub.described(name)
    sizes = {each.name: each.stat().st_size for each in weights.iterdir()}
    return weights / "config.json", hub.weights_bytes(sizes)


def _context(config: dict[str, Any], max_tokens: int | None) -> int:
    """Raises what ``_NO_TRANSFORMER`` has."""
    config = config.get("text_config", config)
    heads = config["num_attention_heads"]
    kept = config.get("num_key_value_heads") or heads
    width = config.get("head_dim") or config["hidden_size"] // heads
    tokens = max_tokens or config["max_position_embeddings"]
    return int(_KEY_AND_VALUE * _BYTES * config["num_hidden_layers"] * kept * width * tokens)
