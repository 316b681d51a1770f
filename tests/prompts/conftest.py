"""Tokenizers of the families that models come with, small; all but the demo's are made here."""

from collections.abc import Callable
from pathlib import Path
from string import ascii_letters, ascii_uppercase, printable

import pytest
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

import trueodds_demo
from trueodds_service.prompts.tokenizer import PromptTokenizer

_CORPUS = [
    f"Which one is it?\n\nA. one\nB. two\nAnswer: {letter}\n\nAnswer: ({letter})\n"
    for letter in ascii_letters
]

# As Llama 3 and Qwen split: blank lines are one piece, and a mark takes its line break along.
_MODERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _trained(pre_tokenizer, corpus=_CORPUS, vocab_size=400):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def byte_level():
    """GPT-2: a space belongs to the word after it."""
    return _trained(pre_tokenizers.ByteLevel(add_prefix_space=False))


def prefix_space():
    """RoBERTa: the same, and a space is put before every text."""
    return _trained(pre_tokenizers.ByteLevel(add_prefix_space=True))


def modern():
    """Llama 3, Qwen: blank lines are one token."""
    split = pre_tokenizers.Split(Regex(_MODERN), "isolated")
    return _trained(
        pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    )


def with_bos():
    """Llama: every text begins with <s>."""
    tokenizer = byte_level()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def sentencepiece_bpe():
    """Llama 2: ▁ for a space, one before every text, bytes for what has no piece."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [letter for letter in printable if letter > " "]
    merges = [("▁", letter) for letter in ascii_uppercase + "("]
    pieces += ["".join(merge) for merge in merges]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True))  # noqa: S106
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return tokenizer


def sentencepiece_unigram():
    """T5, XLNet: the likeliest pieces, ▁ before every word."""
    pieces = [("<unk>", -20.0), ("▁", -8.0), *((char, -10.0) for char in sorted(set(printable)))]
    pieces += [(f"▁{letter}", -5.0) for letter in ascii_uppercase + "("]
    pieces += [("▁Which", -5.0), ("Answer", -5.0), ("Answer:", -6.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def demo():
    """The demo models' own, which was trained on text like the questions."""
    folder = Path(trueodds_demo.__file__).parent / "models" / "base"
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


FAMILIES = [
    demo,
    byte_level,
    prefix_space,
    modern,
    with_bos,
    sentencepiece_bpe,
    sentencepiece_unigram,
]


def merging_paren():
    """ " (A" is one token, whatever label follows the paren."""
    one = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _trained(one, [f" ({letter}" for letter in "ABCD"] * 9 + [" ("] * 20)


def single_bytes():
    """Every byte is a token."""
    return _trained(pre_tokenizers.ByteLevel(add_prefix_space=False), vocab_size=0)


def merging_colon():
    """ ": (" is one token, so the identifier changes the prompt's own tokens."""
    one = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _trained(one, [": ("] * 20)


def merging_colon_keeping_letters():
    """The same, and " A" is one token."""
    one = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _trained(one, [": ("] * 20 + [f" {letter}" for letter in ascii_uppercase] * 40)


def splitting_answer():
    """ "Answer:" is one token alone, and "Answer" and ": (" or ": A" are two before an answer."""
    one = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _trained(one, [": (", ": A", ": B"] * 90 + ["Answer"] * 60 + ["Answer:"] * 20)


def lower_case():
    """BERT, uncased: "A" and "a" are one token."""
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


def space_blind():
    """Spaces are no part of any token."""
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Replace(" ", "")
    return tokenizer


def stripping():
    """Space around a text is dropped."""
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Strip()
    return tokenizer


def chatty():
    """ChatML, as Qwen: two special tokens around a turn, and a switch for thinking."""
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return tokenizer


CHAT_TEMPLATE = """\
{% for message in messages %}\
{% if message.role not in ("system", "user", "assistant") %}\
{{ raise_exception("no such role: " + message.content) }}{% endif %}\
<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant\n\
{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"""


def fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, split_special_tokens=True)


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.__name__)
def family(request) -> PreTrainedTokenizerFast:
    """A tokenizer of each family."""
    return fast(request.param())


@pytest.fixture(scope="session")
def odd() -> Callable[[str], PromptTokenizer]:
    """A tokenizer with something odd about it, by the name of its maker here."""
    return lambda name: PromptTokenizer(fast(globals()[name]()), 1000)


@pytest.fixture
def chat() -> tuple[PromptTokenizer, PreTrainedTokenizerFast]:
    """A tokenizer with a chat template, and what it is made of."""
    own = PreTrainedTokenizerFast(tokenizer_object=chatty())
    own.chat_template = CHAT_TEMPLATE
    return PromptTokenizer(own, 1000), own
