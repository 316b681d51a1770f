"""Prompts to token ids, with the options' tokens found and checked. The home of transformers.

An option can be other tokens than it is alone ("A" and " A" are different ids), and one looked
up wrongly still gives a plausible number. So the prompt and the option are tokenised together,
and the option's tokens are what that adds to the prompt.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput, field
from trueodds_service.prompts.chat import ChatTemplate
from trueodds_service.prompts.controls import control_names, split_controls
from trueodds_service.prompts.encoding import Encoder
from trueodds_service.prompts.formats import (
    DECISION,
    DecisionFormat,
    ask,
    asked_length,
    worked,
    worked_length,
)
from trueodds_service.prompts.labels import first_fitting
from trueodds_service.prompts.loading import load_files
from trueodds_service.prompts.question import (
    ChatPrompt,
    Kind,
    Prompt,
    Question,
    Shot,
    TextPrompt,
    TokenIdPrompt,
)
from trueodds_service.prompts.reading import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NO_DECISIONS = (
    "answers no decisions: its chat template does not take a plain conversation that an answer "
    "follows at once"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question as the engine takes it, and where its options are found in the score.

    ``surfaces`` are the ways in which each option is written, as (what is read, the place of its
    tokens among the continuations): the format's own first, then the variants.
    """

    prompt: TokenPrompt
    surfaces: tuple[tuple[tuple[str, int], ...], ...]


class PromptTokenizer:
    """Makes engine prompts for one model. Thread-safe."""

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        max_prompt_tokens: int,
        vocabulary: int | None = None,
    ) -> None:
        """``max_prompt_tokens`` is the longest prompt that leaves room for one token to read,
        ``vocabulary`` how many rows the model's embedding has, where that is known.
        """
        # Two of them: one that is switched between two threads' texts would mix them up.
        self._plain = copy.deepcopy(tokenizer)
        self._plain.split_special_tokens = True
        self._special = copy.deepcopy(tokenizer)
        self._special.split_special_tokens = False
        self._template = ChatTemplate(self._special)
        # What no text may hold: in a conversation every control token's name, for they are read;
        # in a plain text those that the tokenizer cannot be kept from reading.
        self._control_names = control_names(self._special)
        self._unsplit_names = split_controls(self._plain)
        self._encoders = {False: Encoder(self._plain), True: Encoder(self._special)}
        # A tokenizer may know more tokens than the weights have rows, or fewer.
        self._vocabulary = min(len(tokenizer), vocabulary or len(tokenizer))
        self._outgrows = max(tokenizer.get_vocab().values()) >= (vocabulary or math.inf)
        self._max_prompt_tokens = max_prompt_tokens
        # No text of more characters is as few tokens as the model reads.
        longest = max(map(len, tokenizer.get_vocab()))
        self._max_characters = (max_prompt_tokens + 1) * longest
        self._kept: dict[tuple[_Text, _Suffixes], _Found] = {}
        self._labels: dict[tuple[Kind, int], tuple[str, ...]] = {}

    @classmethod
    def load(
        cls,
        weights: Path,
        max_prompt_tokens: int,
        adapter: Path | None = None,
        vocabulary: int | None = None,
    ) -> "PromptTokenizer":
        """The tokenizer that lies beside a model's weights, or that its adapter brings."""
        return cls(load_files(weights, adapter), max_prompt_tokens, vocabulary)

    def prepare(
        self, questions: Sequence[Question], shots: Sequence[Shot], reading: Reading
    ) -> list[Prepared | InvalidInput]:
        """One engine prompt a question, or what is wrong with it; the order is kept.

        The field of an error is relative to its question.
        """
        outcomes: list[Prepared | InvalidInput | None] = [None] * len(questions)
        written: dict[int, _Written] = {}
        examples = ""
        shots_length = worked_length(shots, reading.format)
        if shots_length <= self._max_characters:
            examples = worked(shots, reading.format)
        for place, question in enumerate(questions):
            try:
                if shots and question.prompt is not None:
                    raise InvalidInput("prompt", "takes no shots: they are part of it")
                if isinstance(question.prompt, TokenIdPrompt):
                    outcomes[place] = self._of_tokens(question, question.prompt)
                else:
                    self._check_characters(shots_length, "text")
                    written[place] = self._write(question, question.prompt, examples, reading)
            except InvalidInput as error:
                outcomes[place] = error
        # Where there are shots, every prompt begins with them.
        prepared = self._of_text(list(written.values()), len(examples))
        for place, each in zip(written, prepared, strict=True):
            outcomes[place] = each
        return [outcome for outcome in outcomes if outcome is not None]

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The tokens of a prompt of the caller's own. Raises InvalidInput."""
        if isinstance(prompt, TokenIdPrompt):
            self._check_ids(prompt.ids, "token_ids")
            return prompt.ids
        text = self._own_text(prompt)
        self._check_characters(len(text.text), "source")
        ids = self._encode([text])[0]
        _check_not_empty(ids, "source")
        self._check_written(ids, "source")
        return ids

    def tokenize(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """The tokens of prompts of any length and kind; the order is kept.

        Raises InvalidInput, whose field is relative to ``prompts``.
        """
        texts: list[_Text | None] = []
        for index, prompt in enumerate(prompts):
            with field(f"prompts[{index}]"):
                if isinstance(prompt, TokenIdPrompt):
                    self._check_ids(prompt.ids, "token_ids")
                    texts.append(None)
                else:
                    texts.append(self._own_text(prompt))
        encoded = iter(self._encode([text for text in texts if text is not None]))
        return [
            prompt.ids if isinstance(prompt, TokenIdPrompt) else next(encoded) for prompt in prompts
        ]

    @property
    def prefix_token_id(self) -> int | None:
        """What stands before a text that has nothing before it; None where there is no such token.

        The beginning of a text, or else its end: the rule of lm-eval.
        """
        first = self._plain.bos_token_id
        found = self._plain.eos_token_id if first is None else first
        return None if found is None else int(found)

    def decision_labels(self, kind: Kind, count: int) -> tuple[str, ...]:
        """The labels of so many options, each one token where an answer to a decision begins.

        They are tried in the order of ``prompts/labels.py``, and the same for every decision.
        """
        if (kind, count) not in self._labels:
            self._labels[kind, count] = first_fitting(kind, count, self._ids_at_answer)
        return self._labels[kind, count]

    def _ids_at_answer(self, labels: Sequence[str]) -> list[tuple[int, ...] | None]:
        """The tokens of each label after a decision; None where the tokenizer joins it to that."""
        question = Question("?", ("?",) * len(labels), tuple(labels), "?", kind=Kind.CHOICE)
        text, suffixes = self._write(question, None, "", Reading(DECISION))
        answers = [text.line.followed_by(surface) for surface, *_ in suffixes.surfaces]
        line, *whole = self._encode([text.line, *answers])
        return [_added(line, each) for each in whole]

    def token_text(self, token: int) -> str:
        """A token as the tokenizer writes it by itself."""
        return str(self._plain.decode([token]))

    def _write(
        self,
        question: Question,
        prompt: TextPrompt | ChatPrompt | None,
        examples: str,
        reading: Reading,
    ) -> "_Written":
        suffixes = _suffixes(question, reading)
        longest = max(map(len, suffixes.texts))
        if isinstance(reading.format, DecisionFormat) and self._template.exists and not examples:
            length = asked_length(question, reading.format)
            self._check_characters(length + longest, suffixes.prompt)
            text = self._in_chat(question, reading.format)
            suffixes = suffixes.beginning_with(self._template.answer_lead)
        elif prompt is None:
            # Before it is written: places that come again and again make a little a lot.
            length = len(examples) + asked_length(question, reading.format)
            self._check_characters(length + longest, suffixes.prompt)
            text = _Text(examples + ask(question, reading.format))
            _check_one_space(text.text, suffixes, "text")
            self._check_plain(text.text, "text", self._unsplit_names)
        else:
            with field("prompt"):
                text = self._own_text(prompt)
            self._check_characters(len(text.text) + longest, suffixes.prompt)
            suffixes = self._after_own(prompt, text, suffixes)
        controls = self._unsplit_names
        if text.special:
            # Who sends special text may say special tokens.
            controls = self._control_names if isinstance(prompt, ChatPrompt) else ()
        for index, surfaces in enumerate(suffixes.surfaces):
            self._check_plain(surfaces[0], suffixes.field(index), controls)
        return _Written(text, suffixes)

    def _in_chat(self, question: Question, written: DecisionFormat) -> "_Text":
        """A decision as the user's turn, after the system's where the template has one."""
        parts = {"system": question.system, "passage": question.passage, "text": question.text}
        parts |= {f"options[{i}].text": text for i, text in enumerate(question.options)}
        for name, part in parts.items():
            self._check_plain(part, name, self._control_names)
        said = written.said(question)
        if not question.system:
            messages = [("user", said)]
        elif self._template.takes_system:
            messages = [("system", question.system), ("user", said)]
        else:
            messages = [("user", f"{question.system}\n\n{said}")]
        try:
            return _Text(self._template.write(messages), special=True, bare=True)
        except InvalidInput as error:
            # The conversation is ours: what the caller can change is which model is asked.
            raise InvalidInput("model", _NO_DECISIONS, reason=error.reason) from error

    def _after_own(
        self, prompt: TextPrompt | ChatPrompt, text: "_Text", suffixes: "_Suffixes"
    ) -> "_Suffixes":
        """What is read after a prompt of the caller's own.

        The space that a format's answer begins with parts it from a text that goes on, such as
        "Answer:". At the start of a line there is none, and where an assistant's turn begins it
        is what the chat template puts there. Raises InvalidInput for a second space.
        """
        if isinstance(prompt, ChatPrompt) and not prompt.answer_prefix:
            return suffixes.beginning_with(self._template.answer_lead)
        if text.text.endswith(("\n", "\r")):
            return suffixes.beginning_with("")
        chat = isinstance(prompt, ChatPrompt)
        _check_one_space(text.text, suffixes, "prompt.chat.answer_prefix" if chat else "prompt")
        return suffixes

    def _own_text(self, prompt: TextPrompt | ChatPrompt) -> "_Text":
        """A prompt of the caller's own as text."""
        if isinstance(prompt, TextPrompt):
            if not prompt.special:
                self._check_plain(prompt.text, "text", self._unsplit_names)
            return _Text(prompt.text, special=prompt.special, bare=prompt.special)
        with field("chat"):
            for index, (role, content) in enumerate(prompt.messages):
                self._check_plain(role, f"messages[{index}].role", self._control_names)
                self._check_plain(content, f"messages[{index}].content", self._control_names)
            self._check_plain(prompt.answer_prefix, "answer_prefix", self._control_names)
            text = self._template.write(prompt.messages, prompt.answer_prefix)
        return _Text(text, special=True, bare=True)

    @staticmethod
    def _check_plain(text: str, name: str, controls: Sequence[str]) -> None:
        """A control token in a message could end the turn, and speak for somebody else."""
        if not controls or not any(begin in text for begin in {each[0] for each in controls}):
            return
        if any(control in text for control in controls):
            raise InvalidInput(
                name, "names a control token of the model", reason="SPECIAL_TOKEN_IN_TEXT"
            )

    def _of_tokens(self, question: Question, prompt: TokenIdPrompt) -> Prepared:
        self._check_ids(prompt.ids, "prompt.token_ids")
        for index, option in enumerate(question.option_ids):
            self._check_ids(option, f"options[{index}].token_ids")
        _check_distinct(question.option_ids, lambda index: f"options[{index}].token_ids")
        surfaces = tuple(((option, place),) for place, option in enumerate(question.options))
        return self._checked(
            Prepared(TokenPrompt(prompt.ids, question.option_ids), surfaces), "prompt"
        )

    def _check_ids(self, ids: tuple[int, ...], name: str) -> None:
        # An id beyond the vocabulary takes the engine down.
        if unknown := [token for token in ids if token >= self._vocabulary]:
            raise InvalidInput(
                name,
                f"{unknown[0]} is no token of this model, which has {self._vocabulary}",
                reason="UNKNOWN_TOKEN",
            )

    def _check_written(self, ids: tuple[int, ...], name: str) -> None:
        """Refuses what the tokenizer wrote where the model cannot read it."""
        if self._outgrows:
            self._check_ids(ids, name)

    def _check_characters(self, length: int, name: str) -> None:
        """Refuses what is certainly too long in tokens; to find out how long would take long."""
        if length > self._max_characters:
            raise InvalidInput(
                name,
                f"the prompt and its longest option are {length} characters long, shots included; "
                f"the model reads at most {self._max_prompt_tokens + 1} tokens",
                reason="PROMPT_TOO_LONG",
            )

    def _of_text(self, written: Sequence["_Written"], shared: int) -> list[Prepared | InvalidInput]:
        whole = self._encode([each.text for each in written], shared)
        lines = self._encode_unique(each.text.line for each in written)
        stems: list[tuple[_Text, tuple[int, ...]]] = []
        for each, ids in zip(written, whole, strict=True):
            # What an option's tokens are depends on the text right before it. Where the tokens
            # of the prompt's last line end the prompt's, no token reaches across the line's
            # start, and the answer for the line is the answer for the prompt.
            line = lines[each.text.line]
            at_line = bool(line) and ids[-len(line) :] == line
            stems.append((each.text.line, line) if at_line else (each.text, ids))
        found = self._find(list(zip(stems, (each.suffixes for each in written), strict=True)))
        outcomes: list[Prepared | InvalidInput] = []
        for each, ids, tokens in zip(written, whole, found, strict=True):
            try:
                outcomes.append(self._assemble(each, ids, tokens))
            except InvalidInput as error:
                outcomes.append(error)
        return outcomes

    def _assemble(
        self, written: "_Written", ids: tuple[int, ...], found: "_Found | InvalidInput"
    ) -> Prepared:
        _check_not_empty(ids, written.suffixes.prompt)
        if isinstance(found, InvalidInput):
            raise found
        self._check_written(ids + found.identifier, written.suffixes.prompt)
        for index, ways in enumerate(found.surfaces):
            for _, place in ways:
                self._check_written(found.continuations[place], written.suffixes.field(index))
        prompt = TokenPrompt(ids, found.continuations, found.identifier)
        return self._checked(Prepared(prompt, found.surfaces), written.suffixes.prompt)

    def _checked(self, prepared: Prepared, name: str) -> Prepared:
        needed, room = prepared.prompt.total_length, self._max_prompt_tokens + 1
        if needed > room:
            raise InvalidInput(
                name,
                f"the prompt and its longest option are {needed} tokens long, shots included; "
                f"the model reads at most {room}",
                reason="PROMPT_TOO_LONG",
            )
        return prepared

    def _find(
        self, wanted: Sequence[tuple[tuple["_Text", tuple[int, ...]], "_Suffixes"]]
    ) -> list["_Found | InvalidInput"]:
        """The tokens of all suffixes after their stems; what is asked twice is looked up once."""
        found: dict[tuple[_Text, _Suffixes], _Found | InvalidInput] = {}
        missing: dict[tuple[_Text, _Suffixes], tuple[int, ...]] = {}
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

    def _encode_unique(self, texts: Iterable["_Text"]) -> dict["_Text", tuple[int, ...]]:
        unique = list(dict.fromkeys(texts))
        return dict(zip(unique, self._encode(unique), strict=True))

    def _encode(self, texts: Sequence["_Text"], shared: int = 0) -> list[tuple[int, ...]]:
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


class _Text(NamedTuple):
    """Text to tokenise."""

    text: str
    special: bool = False
    """Whether names of special tokens in it are special tokens."""
    bare: bool = False
    """Whether the tokenizer leaves out what it puts around every text, such as a BOS."""

    @property
    def line(self) -> "_Text":
        """The last line, from the line break before it."""
        return _Text(self.text[max(self.text.rfind("\n"), 0) :], self.special, bare=True)

    def followed_by(self, text: str) -> "_Text":
        return self._replace(text=self.text + text)


class _Suffixes(NamedTuple):
    """What is read after a prompt: the identifier, then each option in one or more ways.

    ``prompt`` is the question's field that the prompt comes from.
    """

    identifier: str
    surfaces: tuple[tuple[str, ...], ...]
    are_texts: bool
    prompt: str

    @property
    def texts(self) -> list[str]:
        """All that has to be tokenised after the prompt."""
        return [self.identifier] + [
            self.identifier + surface for surfaces in self.surfaces for surface in surfaces
        ]

    @property
    def begins_with_space(self) -> bool:
        return (self.identifier or self.surfaces[0][0]).startswith(" ")

    def beginning_with(self, lead: str) -> "_Suffixes":
        """With another lead in place of the space that the answer begins with, where it does."""
        if not self.begins_with_space:
            return self
        if self.identifier:
            return self._replace(identifier=lead + self.identifier[1:])
        surfaces = tuple(
            # Its variant is the one with the space.
            (lead + own[1:], *(lead + own for _ in variants))
            for own, *variants in self.surfaces
        )
        return self._replace(surfaces=surfaces)

    def field(self, option: int) -> str:
        """The field that an option is read from."""
        return f"options[{option}].{'text' if self.are_texts else 'label'}"


class _Written(NamedTuple):
    """A question's prompt and options as text."""

    text: _Text
    suffixes: _Suffixes


class _Found(NamedTuple):
    identifier: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]
    surfaces: tuple[tuple[tuple[str, int], ...], ...]


def _suffixes(question: Question, reading: Reading) -> _Suffixes:
    written = reading.format
    lead = written.lead
    named = question.options if written.reads_text else question.labels
    leads = [lead]
    if reading.variants:
        leads.append(lead[:-1] if lead.endswith(" ") else f"{lead} ")
    surfaces = tuple(tuple(each + name for each in leads) for name in named)
    prompt = "text" if question.prompt is None else "prompt"
    return _Suffixes(written.identifier, surfaces, written.reads_text, prompt)


def _check_one_space(text: str, suffixes: _Suffixes, name: str) -> None:
    """Some tokenizers would join two spaces, and some read what no model writes."""
    if text[-1:].isspace() and text[-1] not in "\r\n" and suffixes.begins_with_space:
        raise InvalidInput(
            name,
            "ends in a space, and the format's answer begins with one: leave one of them out",
            reason="SPACE_BEFORE_ANSWER",
        )


def _resolve(
    stem: _Text,
    ids: tuple[int, ...],
    suffixes: _Suffixes,
    tokens: Mapping[_Text, tuple[int, ...]],
) -> _Found:
    """Where the tokens of each surface begin and end. Raises InvalidInput."""
    identifier = _added(ids, tokens[stem.followed_by(suffixes.identifier)])
    if identifier is None:
        raise InvalidInput(
            suffixes.prompt,
            "the format's identifier is no tokens of its own after it; use another format",
            reason="FORMAT_CHANGES_PROMPT",
        )
    before = ids + identifier
    own: list[tuple[int, ...]] = []
    for index, (surface, *_) in enumerate(suffixes.surfaces):
        added = _added(before, tokens[stem.followed_by(suffixes.identifier + surface)])
        if not added:
            raise InvalidInput(
                suffixes.field(index),
                "is no tokens of its own at the place of the answer: the tokenizer joins it "
                "to what stands before it",
                reason="OPTION_CHANGES_PROMPT",
            )
        own.append(added)
    _check_distinct(own, suffixes.field)
    places = {option: place for place, option in enumerate(own)}
    found = []
    for option, (surface, *variants) in zip(own, suffixes.surfaces, strict=True):
        ways = [(surface, places[option])]
        for variant in variants:
            added = _added(before, tokens[stem.followed_by(suffixes.identifier + variant)])
            # What the tokenizer takes for the same, or cannot separate, is no other way.
            if added and added not in places:
                places[added] = len(places)
                ways.append((variant, places[added]))
        found.append(tuple(ways))
    return _Found(identifier, tuple(places), tuple(found))


def _added(before: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...] | None:
    """The tokens that ``whole`` has after ``before``; None where it changes those."""
    return whole[len(before) :] if whole[: len(before)] == before else None


def _check_distinct(options: Sequence[tuple[int, ...]], name: Callable[[int], str]) -> None:
    seen: dict[tuple[int, ...], int] = {}
    for index, option in enumerate(options):
        other = seen.setdefault(option, index)
        if other != index:
            raise InvalidInput(
                name(index),
                f"is the same tokens of this model as options[{other}]",
                reason="OPTIONS_SAME_TOKENS",
            )


def _check_not_empty(ids: tuple[int, ...], name: str) -> None:
    if not ids:
        raise InvalidInput(name, "the prompt holds no tokens", reason="EMPTY_PROMPT")


# Callers choose labels, so what is kept of them is bounded.
_KEPT_LABEL_SETS = 4096
_KEPT_CHARACTERS = 4096
