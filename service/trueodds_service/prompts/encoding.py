"""Texts to token ids, fast: what texts begin with alike is tokenised once.

The tokens of a text are those of two halves of it only where no token can reach across the cut,
and neither half looks at the other. That is certain for a cut between a line break and an ASCII
letter or digit in two cases. The tokenizer splits texts by the patterns below: none of their
alternatives goes on from a line break to a letter or a digit, and none looks behind itself. One
looks ahead, at what follows white space: so none stands before the line break, which is then split
off alone in the whole text and in its half. Or the tokenizer does not split lines at all, as
Gemma's and Llama 2's, and pairs of tokens are merged that make a token: then it is enough that no
token holds a line break and what follows it. Unicode's composition (NFC) joins nothing to a line
break. A long head is cut so into pieces too, for several threads. Other tokenizers get every text
whole.
"""

import json
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import chain
from string import ascii_letters, digits
from typing import Any

Ids = tuple[int, ...]

_CONTRACTIONS = (
    "'s|'t|'re|'ve|'m|'ll|'d",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    "'(?i:[sdmt]|ll|ve|re)",
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
# The alternatives that GPT-2, GPT-4, Llama 3, Qwen and those after them are made of.
_ALTERNATIVES = {
    *_CONTRACTIONS[0].split("|"),
    *_CONTRACTIONS,
    r" ?\p{L}+",
    r" ?\p{N}+",
    r" ?[^\s\p{L}\p{N}]+",
    r"\s+(?!\S)",
    r"\s+",
    r"\s*[\r\n]+",
    r"\s*[\r\n]",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"\p{N}",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS[1]}?",
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS[1]}?",
}
_BY_LENGTH = sorted(_ALTERNATIVES, key=len, reverse=True)
# What splits off any letter, and any digit; one of each has to be there.
_OF_LETTERS = (
    {r" ?\p{L}+"},
    {r"[^\r\n\p{L}\p{N}]?\p{L}+"},
    {
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS[1]}?",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS[1]}?",
    },
)
_OF_DIGITS = {r" ?\p{N}+", r"\p{N}", r"\p{N}{1,3}"}

# What SentencePiece writes for a space, and for a line break that is no token.
_SPACE, _BREAK_BYTE = "\u2581", "<0x0A>"
_SPACES_WRITTEN = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}

_LINE_START = re.compile(r"\n[0-9A-Za-z]")
_CUT = re.compile(rf"(?<=\S){_LINE_START.pattern}")
# Characters that texts have to share for it to be worth a second look.
_WORTH_CHARACTERS = 200
# Characters of a head that go to a thread at least; less is done before it wakes up.
_PIECE_CHARACTERS = 500
# Heads are as long as prompts: few are kept.
_KEPT_HEADS = 64


class Encoder:
    """One of transformers' tokenizers; it is the encoder's own from here on. Thread-safe."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # The tokenizer of the tokenizers library, without the transformers wrapper.
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        self._can_cut = False
        # What the tokenizer puts before every text.
        self._front: Ids = ()
        # A line break. Where every text is given a space in front, what is cut off gets none.
        self._break: Ids = ()
        if self._fast is not None:
            self._fast.no_truncation()
            self._fast.no_padding()
            self._fast.encode_special_tokens = tokenizer.split_special_tokens
            [plain], [added] = self._whole(["a"], bare=True), self._whole(["a"], bare=False)
            self._front = added[: len(added) - len(plain)]
            adds_in_front_only = added == self._front + plain
            self._can_cut = adds_in_front_only and can_cut(json.loads(self._fast.to_str()))
            if self._can_cut:
                [self._break] = self._whole(["\n"], bare=True)
        self._heads: OrderedDict[str, Ids] = OrderedDict()

    def encode(self, texts: Sequence[str], *, bare: bool, shared: int = 0) -> list[Ids]:
        """The tokens of each text, as if it were the only one.

        ``bare`` leaves out what the tokenizer puts around every text. All texts begin with the
        same ``shared`` characters; where none are told, it looks by itself.
        """
        cut = self._cut(texts, shared)
        if not cut:
            return self._whole(texts, bare=bare)
        head = (() if bare else self._front) + self._head(texts[0][:cut])
        return [head + tail for tail in self._within([text[cut:] for text in texts])]

    def _whole(self, texts: Sequence[str], *, bare: bool) -> list[Ids]:
        if self._fast is None:
            # Over-long input is refused elsewhere, so the tokenizer's warning would be noise.
            encoded = self._tokenizer(texts, add_special_tokens=not bare, verbose=False)
            return [tuple(ids) for ids in encoded["input_ids"]]
        encodings = self._fast.encode_batch_fast(texts, add_special_tokens=not bare)
        return [tuple(each.ids) for each in encodings]

    def _within(self, texts: Sequence[str]) -> list[Ids]:
        """The tokens of texts that follow a line break."""
        found = self._whole([f"\n{text}" for text in texts], bare=True)
        return [ids[len(self._break) :] for ids in found]

    def _head(self, head: str) -> Ids:
        if (kept := self._heads.get(head)) is not None:
            return kept
        first, *others = _pieces(head)
        encoded = [*self._whole([first], bare=True), *self._within(others)]
        ids = tuple(chain.from_iterable(encoded))
        self._heads[head] = ids
        if len(self._heads) > _KEPT_HEADS:
            self._heads.popitem(last=False)
        return ids

    def _cut(self, texts: Sequence[str], shared: int) -> int:
        """Where the head that all texts share may end; 0 where they are to be left whole."""
        if not self._can_cut or not texts:
            return 0
        if not shared and len(texts) > 1 and len(texts[0]) > _WORTH_CHARACTERS:
            shared = shared_length(texts)
        return line_start(texts[0], shared) if shared > _WORTH_CHARACTERS else 0


def _pieces(head: str) -> Iterator[str]:
    """The head, cut at starts of lines."""
    start = 0
    while found := _CUT.search(head, start + _PIECE_CHARACTERS):
        yield head[start : found.start() + 1]
        start = found.start() + 1
    yield head[start:]


def shared_length(texts: Sequence[str]) -> int:
    """With how many characters all of the texts begin alike."""
    low, high = min(texts), max(texts)  # what these share, all share
    least, most = 0, min(len(low), len(high))
    while least < most:
        middle = (least + most + 1) // 2
        if low[:middle] == high[:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def line_start(text: str, end: int) -> int:
    """The last line before ``end`` where a text may be cut; 0 if there is none.

    Its first character is before ``end`` as well.
    """
    while (end := text.rfind("\n", 0, max(end - 1, 0))) >= 0:
        if _CUT.match(text, end):
            return end + 1
        end += 1
    return 0


def can_cut(tokenizer: dict[str, Any]) -> bool:
    """Whether texts may be cut at line starts, for a tokenizer as its JSON."""
    # These look at what stands around them, or reach across.
    if tokenizer["model"].get("dropout") or any(
        token["lstrip"] or token["single_word"] or _starts_line(token["content"])
        for token in tokenizer.get("added_tokens", ())
    ):
        return False
    return _splits_lines(tokenizer) or (
        _splits_at_spaces_only(tokenizer) and _merges_within_lines(tokenizer["model"])
    )


def _splits_lines(tokenizer: dict[str, Any]) -> bool:
    if tokenizer.get("normalizer") not in (None, {"type": "NFC"}):
        return False
    match tokenizer.get("pre_tokenizer"):
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return True
        case {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": str(pattern)},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        }:
            return _is_made_of_alternatives(pattern)
        case _:
            return False


def _splits_at_spaces_only(tokenizer: dict[str, Any]) -> bool:
    """Whether nothing is done to a text but to its spaces; one may be put in front of it."""
    match tokenizer.get("normalizer"):
        case {"type": "Sequence", "normalizers": [front, spaces]}:
            in_front = front == {"type": "Prepend", "prepend": _SPACE}
            if not in_front or spaces != _SPACES_WRITTEN:
                return False
        case normalizer:
            in_front = False
            if normalizer not in (None, _SPACES_WRITTEN):
                return False
    match tokenizer.get("pre_tokenizer"):
        case None | {"type": "Split", "pattern": {"String": " "}, "invert": False}:
            pass
        case {"type": "Metaspace"}:
            in_front = True
        case _:
            return False
    # After an added token a text begins anew. Where a line break is one, or is not, the text at
    # the cut would have a space in front, or not.
    added = tokenizer.get("added_tokens", ())
    return not (in_front and any(token["rstrip"] or "\n" in token["content"] for token in added))


def _merges_within_lines(model: dict[str, Any]) -> bool:
    """Whether tokens are made by merging pairs, and none across the start of a line."""
    if model["type"] != "BPE" or any(
        model.get(name)
        for name in ("ignore_merges", "continuing_subword_prefix", "end_of_word_suffix")
    ):
        return False
    vocabulary = model["vocab"]
    # An unknown character may become one token with its neighbours, or none.
    if any(character not in vocabulary for character in ascii_letters + digits):
        return False
    in_bytes = bool(model.get("byte_fallback")) and _BREAK_BYTE in vocabulary
    return ("\n" in vocabulary or in_bytes) and not any(
        _starts_line(token) or (_BREAK_BYTE in token and token != _BREAK_BYTE)
        for token in vocabulary
    )


def _starts_line(token: str) -> bool:
    """Whether it holds a line break and what follows it, composed or not."""
    return bool(_LINE_START.search(unicodedata.normalize("NFC", token)))


def _is_made_of_alternatives(pattern: str) -> bool:
    found = set()
    while pattern:
        known = next((each for each in _BY_LENGTH if f"{pattern}|".startswith(f"{each}|")), None)
        if known is None:
            return False
        found.add(known)
        pattern = pattern[len(known) + 1 :]
    return any(each <= found for each in _OF_LETTERS) and not found.isdisjoint(_OF_DIGITS)
