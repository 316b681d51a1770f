"""Tokenizers of the families that models come with, small; all but the demo's are made here."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, ascii_uppercase, printable

import pytest
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

import trueodds_demo
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.prepared import Prepared
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
    tokenizer.decoder = decoders.ByteLevel()
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


def blank_lines():
    """GPT-2's splitter, and white space with a line break is one token where it is one piece."""
    tokenizer = byte_level()
    content = json.loads(tokenizer.to_str())
    vocab, merges = content["model"]["vocab"], content["model"]["merges"]
    for pair in (["Ċ", "Ċ"], ["Ġ", "Ċ"], ["č", "Ċ"]):
        vocab["".join(pair)] = len(vocab)
        merges.insert(0, pair)
    return Tokenizer.from_str(json.dumps(content))


def gemma():
    """Gemma: ▁ for a space, and runs of line breaks are tokens; nothing splits a text before."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "\n"]
    pieces += [letter for letter in printable if letter > " "]
    merges = [("\n", "\n"), ("\n\n", "\n"), ("▁", "▁"), ("▁", "A"), ("l", "o"), ("▁", "lo")]
    merges += [("A", "n"), ("o", "n"), (".", "▁")]
    pieces += ["".join(merge) for merge in merges]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True))  # noqa: S106
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_tokens(["\n", "\n\n"])
    return tokenizer


def mistral():
    """Mistral: as Llama 2, and the space in front is written by the splitter."""
    tokenizer = sentencepiece_bpe()
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
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
    gemma,
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


def across_lines():
    """ "x" and a line break are one token, and else the break and "A" are."""
    one = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _trained(one, ["x\n"] * 90 + ["\nA"] * 20)


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


CHATML = """\
{%- for message in messages %}
{%- if message.role == 'robot' %}{{ raise_exception(message.content) }}{% endif %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}"""
CHAT_TOKENS = ["<|im_start|>", "<|im_end|>"]


@dataclass(frozen=True)
class Family:
    """A tokenizer, and what is made of it."""

    tokenizer: Tokenizer

    def encode(self, text: str, *, special: bool = False, bare: bool = False) -> tuple[int, ...]:
        """The reference: the tokens of the whole text, by the tokenizer itself."""
        self.tokenizer.encode_special_tokens = not special
        return tuple(self.tokenizer.encode(text, add_special_tokens=not bare).ids)

    def prompts(
        self,
        max_prompt_tokens: int = 10_000,
        *,
        chat_template: str | None = CHATML,
        vocabulary: int | None = None,
    ) -> PromptTokenizer:
        fast = PreTrainedTokenizerFast(tokenizer_object=self.tokenizer, chat_template=chat_template)
        return PromptTokenizer(fast, max_prompt_tokens, vocabulary)


def _with_chat(maker: Callable[[], Tokenizer]) -> Family:
    tokenizer = maker()
    tokenizer.add_special_tokens(CHAT_TOKENS)
    return Family(tokenizer)


@pytest.fixture(scope="session", params=FAMILIES, ids=lambda family: family.__name__)
def family(request) -> Family:
    """A tokenizer of each family, with the special tokens of a conversation."""
    return _with_chat(request.param)


@pytest.fixture(scope="session")
def gpt2() -> Family:
    """The family for what does not depend on it."""
    return _with_chat(byte_level)


@pytest.fixture(scope="session")
def odd() -> Callable[..., PromptTokenizer]:
    """A tokenizer that some format or label does not go with, by the name of its maker here."""
    return lambda name, **options: Family(globals()[name]()).prompts(1000, **options)


@pytest.fixture(scope="session")
def odd_tokenizer() -> Callable[[str], Tokenizer]:
    """A tokenizer by the name of its maker here, as the library has it."""
    return lambda name: globals()[name]()


@dataclass(frozen=True)
class Expected:
    """What joint tokenisation says: the tokens of prompt, identifier and options."""

    prompt: tuple[int, ...]
    identifier: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]


Refusal = tuple[str, str]
"""The field and the reason."""


def _expect(
    family: Family,
    text: str,
    identifier: str,
    options: Sequence[str],
    *,
    source: str = "text",
    read: str = "label",
    **kind: bool,
) -> Expected | Refusal:
    prompt = family.encode(text, **kind)
    if not prompt:
        return source, "EMPTY_PROMPT"
    before = family.encode(text + identifier, **kind)
    if before[: len(prompt)] != prompt:
        return source, "FORMAT_CHANGES_PROMPT"
    added = []
    for index, option in enumerate(options):
        whole = family.encode(text + identifier + option, **kind)
        if whole[: len(before)] != before or whole == before:
            return f"options[{index}].{read}", "OPTION_CHANGES_PROMPT"
        added.append(whole[len(before) :])
    for index, each in enumerate(added):
        if each in added[:index]:
            return f"options[{index}].{read}", "OPTIONS_SAME_TOKENS"
    return Expected(prompt, before[len(prompt) :], tuple(added))


def _found(outcome: Prepared | InvalidInput) -> Expected | Refusal:
    if isinstance(outcome, InvalidInput):
        return outcome.field, outcome.reason
    prompt = outcome.prompt
    return Expected(prompt.prompt, prompt.identifier, prompt.continuations)


@pytest.fixture(scope="session")
def expect() -> Callable[..., Expected | Refusal]:
    """What the tokenizer itself says of a prompt, its identifier and its options."""
    return _expect


@pytest.fixture(scope="session")
def found() -> Callable[[Prepared | InvalidInput], Expected | Refusal]:
    """An outcome of ``prepare``, as ``expect`` writes it."""
    return _found
