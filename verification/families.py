"""Tokenizers of the families that models come with, trained here on the same texts."""

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceTrainer
from tokenizers import (
    BertWordPieceTokenizer,
    Regex,
    SentencePieceUnigramTokenizer,
    Tokenizer,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

# As Llama 3 and Qwen split: blank lines are one piece, and a mark takes its line break along.
_MODERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Corpus = Sequence[str]


def byte_level(corpus: Corpus) -> Any:
    """GPT-2: a space belongs to the word after it."""
    return _fast(_bpe(corpus, pre_tokenizers.ByteLevel(add_prefix_space=False)))


def blank_lines(corpus: Corpus) -> Any:
    """SmolLM2, Pythia: as GPT-2 splits, and several line breaks can be one token."""
    return byte_level([*corpus, *(["\n\n\n", " \n\n\n"] * 500)])


def prefix_space(corpus: Corpus) -> Any:
    """RoBERTa: the same, and a space is put before every text."""
    return _fast(_bpe(corpus, pre_tokenizers.ByteLevel(add_prefix_space=True)))


def modern(corpus: Corpus, *, special: Sequence[str] = (), vocabulary: int = 1500) -> Any:
    """Llama 3, Qwen: blank lines are one token, numbers go by threes."""
    split = pre_tokenizers.Split(Regex(_MODERN), "isolated")
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _fast(_bpe(corpus, pre_tokenizers.Sequence([split, pieces]), special, vocabulary))


def with_bos(corpus: Corpus) -> Any:
    """Llama 3: the same, and every text begins with a token of its own."""
    tokenizer = modern(corpus, special=["<s>"])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.convert_tokens_to_ids("<s>"))]
    )
    return tokenizer


def sentencepiece_bpe(corpus: Corpus) -> Any:
    """Llama 2, Mistral: ▁ for a space, one before every text, bytes for what has no piece, BOS."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(line for text in corpus for line in text.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=1200,
        byte_fallback=True,
        character_coverage=0.9995,
        split_digits=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        allow_whitespace_only_pieces=True,
        minloglevel=2,
    )
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.model").write_bytes(model.getvalue())
        Path(folder, "tokenizer_config.json").write_text(json.dumps(settings))
        return LlamaTokenizer.from_pretrained(folder)


def unigram(corpus: Corpus) -> Any:
    """XLNet, T5 (without its closing token): the likeliest pieces, ▁ before every word."""
    tokenizer = SentencePieceUnigramTokenizer()
    tokenizer.train_from_iterator(
        corpus, vocab_size=1500, show_progress=False, special_tokens=["<unk>"], unk_token="<unk>"
    )
    return _fast(Tokenizer.from_str(tokenizer.to_str()))


def word_piece(corpus: Corpus) -> Any:
    """BERT, uncased: words without the spaces between them."""
    tokenizer = BertWordPieceTokenizer()
    tokenizer.train_from_iterator(corpus, vocab_size=1500, show_progress=False)
    return _fast(Tokenizer.from_str(tokenizer.to_str()))


def single_bytes(corpus: Corpus) -> Any:
    """ByT5: every byte is a token."""
    return _fast(_bpe(corpus, pre_tokenizers.ByteLevel(add_prefix_space=False), vocabulary=0))


def joining(corpus: Corpus) -> Any:
    """None that is in use: what stands between two line breaks or colons can be one token."""
    answers = [f"Answer: ({letter})\n" for letter in "ABCD"] * 500
    splits = [pre_tokenizers.Split(mark, "merged_with_previous") for mark in ("\n", ":")]
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _fast(_bpe([*corpus, *answers], pre_tokenizers.Sequence([*splits, whole])))


FAMILIES: dict[str, Callable[[Corpus], Any]] = {
    "GPT-2": byte_level,
    "SmolLM2": blank_lines,
    "RoBERTa": prefix_space,
    "Qwen": modern,
    "Llama 3": with_bos,
    "Llama 2, SentencePiece BPE": sentencepiece_bpe,
    "XLNet, unigram": unigram,
    "BERT, WordPiece": word_piece,
    "single bytes": single_bytes,
    "joins a mark to its letter": joining,
}


def _bpe(
    corpus: Corpus, pre_tokenizer: Any, special: Sequence[str] = (), vocabulary: int = 1500
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        show_progress=False,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def _fast(tokenizer: Tokenizer) -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
