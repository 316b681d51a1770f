"""The tokenizer of a model: that of its weights, or the one that its LoRA adapter brings."""

import json
import os
import sys
from pathlib import Path
from typing import Any

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


def leave_torch_out() -> None:
    """Has transformers imported in this process without torch, which no tokenizer needs.

    With it, the import takes three times as long, and memory. To be called by a process that
    loads no model, before anything else imports transformers; afterwards it changes nothing.
    """
    if "transformers" in sys.modules or "torch" in sys.modules:
        return
    # transformers would tell everybody that it is not there.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    sys.modules["torch"] = None  # type: ignore[assignment]  # which says: there is none
    try:
        import transformers.models.auto.tokenization_auto  # noqa: F401, PLC0415
    finally:
        del sys.modules["torch"]


def load_files(weights: Path, adapter: Path | None = None) -> Any:
    """Runs no code from the folders.

    An adapter's tokenizer goes before its base's, and so does its chat template. Raises
    ValueError where the adapter's cannot work over the base's embedding.
    """
    base = _load(weights)
    if adapter is None:
        return base
    if any((adapter / name).is_file() for name in _TOKENIZER_FILES):
        own = _load(adapter)
        _check_fits(own, base, weights)
        return own
    template = adapter / "chat_template.jinja"
    if template.is_file():
        base.chat_template = template.read_text(encoding="utf-8")
    return base


def _load(folder: Path) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 (see ``leave_torch_out``)

    return AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )


def _check_fits(own: Any, base: Any, weights: Path) -> None:
    """The base's rows stand for the base's tokens, and there are no more of them."""
    vocab, known = own.get_vocab(), base.get_vocab()
    if any(vocab.get(token) != index for token, index in known.items()):
        raise ValueError("the adapter's tokenizer has other tokens than its base's")
    rows = _rows(weights)
    if rows is not None and max(vocab.values()) >= max(rows, len(base)):
        raise ValueError(
            f"the adapter's tokenizer has {len(own)} tokens, and its base's embedding {rows} rows"
        )


def _rows(weights: Path) -> int | None:
    """The rows of the embedding, as the configuration says it; None where it does not."""
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    rows = config.get("vocab_size") or config.get("text_config", {}).get("vocab_size")
    return int(rows) if rows else None
