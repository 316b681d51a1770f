"""Text of this machine, and a byte-level BPE of 32,768 entries trained on it."""

import json
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks import agieval

VOCABULARY = 32_768
END = "<|end|>"
_MOST_CHARACTERS = 12_000_000
# Often enough for each to be merged into one token.
_LABEL_REPEATS = 2000


def prose() -> Iterator[str]:
    """What people read: descriptions of installed packages, and AGIEval where it is there."""
    found = {dist.metadata["Name"]: dist.read_text("METADATA") for dist in distributions()}
    for name in sorted(name for name in found if name):
        text = found[name]
        if isinstance(text, str) and text.strip():
            # What comes after the headers.
            yield text.partition("\n\n")[2]
    for examples in agieval.load().values():
        for question in (example.question for example in examples):
            yield f"{question.passage}\n{question.text}"


def tokenizer(folder: Path) -> Path:
    """The tokenizer's folder; trained on the first call, which takes about half a minute."""
    if not (folder / "tokenizer_config.json").exists():
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trained.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        trained.train_from_iterator(_training_text(), trainer)
        folder.mkdir(parents=True, exist_ok=True)
        trained.save(str(folder / "tokenizer.json"))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": END,
            "clean_up_tokenization_spaces": False,
        }
        text = json.dumps(config, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return folder


def _training_text() -> Iterator[str]:
    """Prose, labels, and the standard library's sources, in an order that is always the same."""
    left = _MOST_CHARACTERS
    for text in prose():
        left -= len(text)
        yield text
    for _ in range(_LABEL_REPEATS):
        yield "".join(f" {chr(code)} ({chr(code)})" for code in range(ord("A"), ord("Z") + 1))
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py")):
        if left <= 0:
            return
        text = path.read_text(encoding="utf-8", errors="ignore")
        left -= len(text)
        yield text
