"""The tokens of options where they stand: what each adds to the tokens of its prompt."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.encoding import Encoder
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.written import Suffixes, Text, Written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Callers choose labels, so what is kept of them is bounded.
_KEPT_LABEL_SETS = 4096
_KEPT_CHARACTERS = 4096
_KEPT_LINES, _KEPT_LINE_CHARACTERS = 256, 128


class Finder:
    """Tokenises texts and what follows them. Thread-safe."""

    def __init__(
        self, plain: "PreTrainedTokenizerBase", special: "PreTrainedTokenizerBase"
    ) -> None:
        """``plain`` reads names of special tokens as text, where it can; ``special`` as tokens."""
        self._encoders = {False: Encoder(plain), True: Encoder(special)}
        self._kept: dict[tuple[Text, Suffixes], Prepared] = {}
        self._lines: dict[Text, tuple[int, ...]] = {}

    def encode(self, texts: Sequence[Text], shared: int = 0) -> list[tuple[int, ...]]:
        """The tokens of texts, in their order; those of a kind are tokenised together.

        ``shared`` characters at their beginnings are known to be the same.
        """
        encoded: list[tuple[int, ...]] = [()] * len(texts)
        kinds: dict[tuple[bool, bool], list[int]] = {}
        for place, text in enumerate(texts):
            kinds.setdefault((text.special, text.bare), []).append(place)
        for (special, bare), places in kinds.items():
            ids = self._encoders[special].encode(
                [texts[place].text for place in places], bare=bare, shared=shared
            )
            for place, each in zip(places, ids, strict=True):
                encoded[place] = each
        return encoded

    def find(self, written: Sequence[Written], shared: int = 0) -> list[Prepared | InvalidInput]:
        """The tokens of each prompt and of what is read after it, or why there are none of these.

        ``shared`` characters at the prompts' beginnings are known to be the same.
        """
        whole = self.encode([each.text for each in written], shared)
        lines = self._encode_lines(each.text.line for each in written)
        stems: list[tuple[Text, tuple[int, ...]]] = []
        for each, ids in zip(written, whole, strict=True):
            # What an option's tokens are depends on the text right before it. Where the tokens
            # of the prompt's last line end the prompt's, no token reaches across the line's
            # start, and the answer for the line is the answer for the prompt.
            line = lines[each.text.line]
            at_line = bool(line) and ids[-len(line) :] == line
            stems.append((each.text.line, line) if at_line else (each.text, ids))
        found = self._after(list(zip(stems, (each.suffixes for each in written), strict=True)))
        return [
            Prepared(each.prompt.after(ids), each.surfaces) if isinstance(each, Prepared) else each
            for ids, each in zip(whole, found, strict=True)
        ]

    def _after(
        self, wanted: Sequence[tuple[tuple[Text, tuple[int, ...]], Suffixes]]
    ) -> list[Prepared | InvalidInput]:
        """All suffixes in tokens, as after their stems, with the prompt still to be put before
        them; what is asked twice is looked up once.
        """
        found: dict[tuple[Text, Suffixes], Prepared | InvalidInput] = {}
        missing: dict[tuple[Text, Suffixes], tuple[int, ...]] = {}
        for (stem, ids), suffixes in wanted:
            key = (stem, suffixes)
            if (kept := self._kept.get(key)) is not None:
                found[key] = kept
            else:
                missing[key] = ids
        tokens = self._encode_unique(
            stem.followed_by(text) for stem, suffixes in missing for text in suffixes.texts
        )
        for (stem, suffixes), ids in missing.items():
            try:
                resolved = _resolve(stem, ids, suffixes, tokens)
            except InvalidInput as error:
                found[stem, suffixes] = error
                continue
            found[stem, suffixes] = resolved
            # Labels come again with every question; texts, and long prompts, do not.
            size = len(stem.text) + sum(map(len, suffixes.texts))
            if not suffixes.are_texts and size <= _KEPT_CHARACTERS:
                if len(self._kept) >= _KEPT_LABEL_SETS:
                    self._kept.clear()
                self._kept[stem, suffixes] = resolved
        return [found[stem, suffixes] for (stem, _), suffixes in wanted]

    def _encode_lines(self, lines: Iterable[Text]) -> dict[Text, tuple[int, ...]]:
        """Last lines of prompts in tokens: of most, the format's own, which come again."""
        wanted = list(dict.fromkeys(lines))
        kept = {line: ids for line in wanted if (ids := self._lines.get(line)) is not None}
        new = self._encode_unique(line for line in wanted if line not in kept)
        for line, ids in new.items():
            if len(line.text) <= _KEPT_LINE_CHARACTERS:
                if len(self._lines) >= _KEPT_LINES:
                    self._lines.clear()
                self._lines[line] = ids
        return kept | new

    def _encode_unique(self, texts: Iterable[Text]) -> dict[Text, tuple[int, ...]]:
        unique = list(dict.fromkeys(texts))
        return dict(zip(unique, self.encode(unique), strict=True)) if unique else {}


def _resolve(
    stem: Text,
    ids: tuple[int, ...],
    suffixes: Suffixes,
    tokens: Mapping[Text, tuple[int, ...]],
) -> Prepared:
    """Where the tokens of each surface begin and end. Raises InvalidInput."""
    identifier = added_tokens(ids, tokens[stem.followed_by(suffixes.identifier)])
    if identifier is None:
        raise InvalidInput(
            suffixes.prompt,
            "the format's identifier is no tokens of its own after it; use another format",
            reason="FORMAT_CHANGES_PROMPT",
        )
    before = ids + identifier
    own: list[tuple[int, ...]] = []
    for index, (surface, *_) in enumerate(suffixes.surfaces):
        added = added_tokens(before, tokens[stem.followed_by(suffixes.identifier + surface)])
        if not added:
            raise InvalidInput(
                suffixes.field(index),
                "is no tokens of its own at the place of the answer: the tokenizer joins it "
                "to what stands before it",
                reason="OPTION_CHANGES_PROMPT",
            )
        own.append(added)
    check_distinct(own, suffixes.field)
    places = {option: place for place, option in enumerate(own)}
    found = []
    for option, (surface, *variants) in zip(own, suffixes.surfaces, strict=True):
        ways = [(surface, places[option])]
        for variant in variants:
            added = added_tokens(before, tokens[stem.followed_by(suffixes.identifier + variant)])
            # What the tokenizer takes for the same, or cannot separate, is no other way.
            if added and added not in places:
                places[added] = len(places)
                ways.append((variant, places[added]))
        found.append(tuple(ways))
    return Prepared(TokenPrompt((), tuple(places), identifier), tuple(found))


def added_tokens(before: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...] | None:
    """The tokens that ``whole`` has after ``before``; None where it changes those."""
    return whole[len(before) :] if whole[: len(before)] == before else None


def check_distinct(options: Sequence[tuple[int, ...]], name: Callable[[int], str]) -> None:
    seen: dict[tuple[int, ...], int] = {}
    for index, option in enumerate(options):
        other = seen.setdefault(option, index)
        if other != index:
            raise InvalidInput(
                name(index),
                f"is the same tokens of this model as options[{other}]",
                reason="OPTIONS_SAME_TOKENS",
            )
