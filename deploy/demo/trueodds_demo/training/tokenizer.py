"""The tokenizer: a byte-level BPE, small, and able to encode any text.

The pre-tokenizer never joins a letter to punctuation or a line to the next one, so a prompt's
tokens are a prefix of the tokens of the prompt with its answer. All labels are single tokens.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from trueodds_demo.world.documents import documents
from trueodds_service.prompts.question import letters

# Ends every document. Nothing is put before a text: models read prompts from position 0.
END = "<|end|>"
# Often enough in the training text to be merged before any word.
LABEL_REPEATS = 5000


def train_tokenizer(vocabulary: int, sample: int, seed: int) -> Tokenizer:
    """A tokenizer of ``vocabulary`` tokens, trained on ``sample`` documents and the labels."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_text(sample, seed), trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, positions: int) -> None:
    """Write what ``AutoTokenizer`` reads, by hand: the same for every version of transformers."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": positions,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that ``save_tokenizer`` wrote."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that the vocabulary must have; ``KeyError`` where it does not."""
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def _text(sample: int, seed: int) -> Iterator[str]:
    yield from islice(documents(Random(f"tokenizer/{seed}")), sample)
    for _ in range(LABEL_REPEATS):
        yield "".join(f" {label} ({label})" for label in letters(26))
