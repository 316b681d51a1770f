"""What texts share is tokenised once, and every token is as if each text were the only one."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from trueodds_service.prompts.encoding import Encoder, can_cut, line_start, shared_length

_GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_by(pattern, tokenizer):
    """The same tokenizer, which splits texts by a pattern."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return copy


def composed(tokenizer):
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.normalizer = normalizers.NFC()
    return copy


VARIANTS = {
    "as it is": lambda tokenizer: tokenizer,
    "GPT-4": lambda tokenizer: split_by(_GPT4, tokenizer),
    "GPT-4o": lambda tokenizer: split_by(_GPT4O, tokenizer),
    "Qwen": lambda tokenizer: composed(split_by(_GPT4.replace("{1,3}", ""), tokenizer)),
}

# What tokenizers treat in ways of their own: marks to compose, contractions, runs of all kinds.
PIECES = st.sampled_from(
    [
        *"\n\t A\u00e9e\u0301'4)(/\u4e00\U0001f642",
        *("\n\n", "\r\n", "  ", "ll", "'s", "123", "x\ny"),
        *("Answer:", " Answer", "<s>", "<|im_end|>", "\nAnswer: (A)\n\n"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def encoder(tokenizer, *, names_special=False):
    copy = Tokenizer.from_str(tokenizer.to_str())
    return Encoder(
        PreTrainedTokenizerFast(tokenizer_object=copy, split_special_tokens=not names_special)
    )


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@settings(deadline=None, max_examples=25)
@given(head=TEXTS, tails=st.lists(TEXTS, min_size=1, max_size=4), told=st.booleans())
def test_tokens_are_those_of_each_text_alone(family, variant, head, tails, told):
    tokenizer = variant(family.tokenizer)
    # Long enough to be worth a cut, and cut again, with or without lines to cut at.
    texts = [("long " * 50 + head) * 4 + tail for tail in tails]
    shared = len(texts[0]) - len(tails[0]) if told else 0
    for special in (False, True):
        for bare in (False, True):
            tokenizer.encode_special_tokens = not special
            expected = [
                tuple(tokenizer.encode(text, add_special_tokens=not bare).ids) for text in texts
            ]
            mine = encoder(tokenizer, names_special=special)
            for _ in range(2):
                assert mine.encode(texts, bare=bare, shared=shared) == expected


SHOTS = "What is it?\nA. this\nB. that\nAnswer: (A)\n\n" * 12


def cuts(tokenizer):
    """Whether the shots are tokenised once, seen by what reaches the tokenizer."""
    mine = encoder(tokenizer)
    seen = []
    whole = mine._whole
    mine._whole = lambda texts, **kind: seen.extend(texts) or whole(texts, **kind)
    mine.encode([f"{SHOTS}Question {n}?" for n in range(9)], bare=False, shared=len(SHOTS))
    return sum(map(len, seen)) < 3 * len(SHOTS)


@pytest.mark.parametrize(
    "name", ["demo", "byte_level", "modern", "with_bos", "sentencepiece_bpe", "gemma", "mistral"]
)
def test_shots_are_tokenised_once_where_that_is_certain(odd_tokenizer, name):
    assert cuts(odd_tokenizer(name))


@pytest.mark.parametrize(
    "name",
    ["prefix_space", "sentencepiece_unigram", "across_lines", "stripping"],
)
def test_others_get_every_text_whole(odd_tokenizer, name):
    assert not cuts(odd_tokenizer(name))


def added(content, *, rstrip=False):
    """An added token, as a tokenizer's JSON has it."""
    flags = dict.fromkeys(("single_word", "lstrip", "normalized", "special"), False)
    return {"id": 9000, "content": content, "rstrip": rstrip, **flags}


def remade(tokenizer, change):
    """The same tokenizer, with its JSON changed."""
    content = json.loads(tokenizer.to_str())
    change(content)
    return Tokenizer.from_str(json.dumps(content))


@pytest.mark.parametrize(
    "name", ["byte_level", "blank_lines", "modern", "sentencepiece_bpe", "gemma", "mistral"]
)
@settings(deadline=None, max_examples=50)
@given(
    head=st.lists(PIECES, min_size=1, max_size=9).map("".join),
    texts=st.lists(TEXTS, min_size=1, max_size=4),
)
def test_wherever_a_text_is_cut_its_tokens_are_the_same(odd_tokenizer, name, head, texts):
    tokenizer = odd_tokenizer(name)
    tokenizer.encode_special_tokens = True
    head = (head + "long " * 30) * 9
    texts = [f"{head}\nx{text}" for text in texts]
    expected = [tuple(tokenizer.encode(text).ids) for text in texts]
    assert encoder(tokenizer).encode(texts, bare=False, shared=len(head) + 2) == expected


@pytest.mark.parametrize("break_", ["\n\n", " \n", "\r\n", "\n \n"])
def test_a_line_break_after_white_space_is_no_place_to_cut(odd_tokenizer, break_):
    """GPT-2 splits off the last of it alone, before a letter, and not at the end of a text."""
    tokenizer = odd_tokenizer("blank_lines")
    text = f"What is it?{break_}" * 60
    assert encoder(tokenizer).encode([f"{text}What"], bare=False, shared=len(text) + 1) == [
        tuple(tokenizer.encode(f"{text}What").ids)
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["model"]["vocab"].update({"\nA": 9000}),
        lambda content: content["model"]["vocab"].update({"<0x0A>A": 9000}),
        lambda content: content["model"].update(ignore_merges=True),
        lambda content: content["model"].update(dropout=0.1),
        lambda content: content["model"].update(byte_fallback=False),
        lambda content: content["model"]["vocab"].pop("z"),
        lambda content: content["normalizer"]["normalizers"].reverse(),
        lambda content: content["normalizer"]["normalizers"].append({"type": "Lowercase"}),
        lambda content: content.update(pre_tokenizer={"type": "Whitespace"}),
        lambda content: content["added_tokens"].append(added("\n\n")),
        lambda content: content["added_tokens"].append(added("<|user|>", rstrip=True)),
    ],
    ids=[
        "a token across",
        "bytes across",
        "whole words first",
        "dropout",
        "line breaks unknown",
        "a letter unknown",
        "space in front replaced",
        "another normalizer",
        "another splitter",
        "text begins anew at a line",
        "text begins anew after a line break that is dropped",
    ],
)
def test_what_is_not_certain_of_llama_2_forbids_a_cut(odd_tokenizer, change):
    tokenizer = odd_tokenizer("sentencepiece_bpe")
    assert cuts(tokenizer)
    assert not cuts(remade(tokenizer, change))


@pytest.mark.parametrize(
    ("change", "possible"),
    [
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("<x>", lstrip=False)]), True),
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("<x>", lstrip=True)]), False),
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("one", single_word=True)]), False),
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("\nA")]), False),
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("\n\n")]), True),
    ],
    ids=["plain", "strips", "looks around", "reaches across", "line breaks"],
)
def test_added_tokens_that_look_around_forbid_a_cut(odd_tokenizer, change, possible):
    tokenizer = odd_tokenizer("byte_level")
    change(tokenizer)
    assert can_cut(json.loads(tokenizer.to_str())) is possible


@pytest.mark.parametrize(
    "pattern",
    [r"\s+(?=\S)|\S+", r"(?<!\n)\p{L}+|\s+", r"\p{L}+|.+", "x" + _GPT4, r"\p{N}", r" ?\p{L}+|\s+"],
)
def test_a_pattern_that_is_not_known_forbids_a_cut(odd_tokenizer, pattern):
    assert not cuts(split_by(pattern, odd_tokenizer("byte_level")))


@given(st.lists(st.text("ab", max_size=9), min_size=1, max_size=5))
def test_what_texts_share(texts):
    assert shared_length(texts) == len(os.path.commonprefix(texts))  # noqa: RUF071 (not paths)


@given(st.text("\nA ("), st.integers(0, 12))
def test_a_line_start_is_the_last_one_before_the_end(text, end):
    end = min(end, len(text))
    starts = [
        place
        for place in range(2, end)
        if text[place - 1] == "\n" and text[place].isalnum() and not text[place - 2].isspace()
    ]
    assert line_start(text, end) == max(starts, default=0)


def test_the_heads_that_are_kept_are_bounded(odd_tokenizer):
    mine = encoder(odd_tokenizer("byte_level"))
    for number in range(200):
        mine.encode([f"{SHOTS}{number}\nAnswer"], bare=False, shared=len(SHOTS) + 9)
    assert len(mine._heads) <= 64
