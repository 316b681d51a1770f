"""Prompts to token ids, with the options' tokens found and checked. The home of transformers.

An option can be other tokens than it is alone ("A" and " A" are different ids), and one looked
up wrongly still gives a plausible number. So the prompt and the option are tokenised together,
and the option's tokens are what that adds to the prompt.
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput, field
from trueodds_service.prompts.finding import Finder, added_tokens, check_distinct
from trueodds_service.prompts.formats import DECISION, worked, worked_length
from trueodds_service.prompts.labels import first_fitting
from trueodds_service.prompts.loading import load_files
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.question import Kind, Prompt, Question, Shot, TokenIdPrompt
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.writing import Writer
from trueodds_service.prompts.written import Suffixes, Text, Written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
        plain, special = copy.deepcopy(tokenizer), copy.deepcopy(tokenizer)
        plain.split_special_tokens, special.split_special_tokens = True, False
        self._plain = plain
        self._writer = Writer(plain, special, max_prompt_tokens)
        self._finder = Finder(plain, special)
        # A tokenizer may know more tokens than the weights have rows, or fewer.
        self._vocabulary = min(len(tokenizer), vocabulary or len(tokenizer))
        self._outgrows = max(tokenizer.get_vocab().values()) >= (vocabulary or math.inf)
        self._max_prompt_tokens = max_prompt_tokens
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
        written: dict[int, Written] = {}
        examples = ""
        shots_length = worked_length(shots, reading.format)
        if shots_length <= self._writer.max_characters:
            examples = worked(shots, reading.format)
        for place, question in enumerate(questions):
            try:
                if shots and question.prompt is not None:
                    raise InvalidInput("prompt", "takes no shots: they are part of it")
                if isinstance(question.prompt, TokenIdPrompt):
                    outcomes[place] = self._of_tokens(question, question.prompt)
                else:
                    self._writer.check_characters(shots_length, "text")
                    written[place] = self._writer.write(
                        question, question.prompt, examples, reading
                    )
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
        text = self._writer.own_text(prompt)
        self._writer.check_characters(len(text.text), "source")
        ids = self._finder.encode([text])[0]
        _check_not_empty(ids, "source")
        if self._outgrows:
            self._check_ids(ids, "source")
        return ids

    def tokenize(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """The tokens of prompts of any length and kind; the order is kept.

        Raises InvalidInput, whose field is relative to ``prompts``.
        """
        texts: list[Text | None] = []
        for index, prompt in enumerate(prompts):
            with field(f"prompts[{index}]"):
                if isinstance(prompt, TokenIdPrompt):
                    self._check_ids(prompt.ids, "token_ids")
                    texts.append(None)
                else:
                    texts.append(self._writer.own_text(prompt))
        encoded = iter(self._finder.encode([text for text in texts if text is not None]))
        return [
            prompt.ids if isinstance(prompt, TokenIdPrompt) else next(encoded) for prompt in prompts
        ]

    @property
    def prefix_token_id(self) -> int | None:
        """The token that starts a text which follows nothing; None if the tokenizer has none.

        The beginning of a text, or else its end: the rule of lm-eval.
        """
        first = self._plain.bos_token_id
        found = self._plain.eos_token_id if first is None else first
        return None if found is None else int(found)

    def decision_labels(self, kind: Kind, count: int) -> tuple[str, ...]:
        """The labels of ``count`` options, each one token where an answer to a decision begins.

        They are tried in the order of ``prompts/labels.py``, and the same for every decision.
        """
        if (kind, count) not in self._labels:
            self._labels[kind, count] = first_fitting(kind, count, self._ids_at_answer)
        return self._labels[kind, count]

    def _ids_at_answer(self, labels: Sequence[str]) -> list[tuple[int, ...] | None]:
        """The tokens of each label after a decision; None where the tokenizer merges the two."""
        question = Question("?", ("?",) * len(labels), tuple(labels), "?", kind=Kind.CHOICE)
        text, suffixes = self._writer.write(question, None, "", Reading(DECISION))
        answers = [text.line.followed_by(surface) for surface, *_ in suffixes.surfaces]
        line, *whole = self._finder.encode([text.line, *answers])
        return [added_tokens(line, each) for each in whole]

    def token_text(self, token: int) -> str:
        """A token as the tokenizer writes it by itself."""
        return str(self._plain.decode([token]))

    def _of_tokens(self, question: Question, prompt: TokenIdPrompt) -> Prepared:
        self._check_ids(prompt.ids, "prompt.token_ids")
        for index, option in enumerate(question.option_ids):
            self._check_ids(option, f"options[{index}].token_ids")
        check_distinct(question.option_ids, lambda index: f"options[{index}].token_ids")
        surfaces = tuple(((option, place),) for place, option in enumerate(question.options))
        asked = TokenPrompt(prompt.ids, question.option_ids)
        self._check_length(asked, "prompt")
        return Prepared(asked, surfaces)

    def _check_ids(self, ids: tuple[int, ...], name: str) -> None:
        # An id beyond the vocabulary takes the engine down.
        if unknown := [token for token in ids if token >= self._vocabulary]:
            raise InvalidInput(
                name,
                f"{unknown[0]} is no token of this model, which has {self._vocabulary}",
                reason="UNKNOWN_TOKEN",
            )

    def _of_text(self, written: Sequence[Written], shared: int) -> list[Prepared | InvalidInput]:
        outcomes = self._finder.find(written, shared)
        for place, (found, each) in enumerate(zip(outcomes, written, strict=True)):
            if isinstance(found, Prepared):
                try:
                    self._check_found(found, each.suffixes)
                except InvalidInput as error:
                    outcomes[place] = error
        return outcomes

    def _check_found(self, found: Prepared, suffixes: Suffixes) -> None:
        prompt = found.prompt
        _check_not_empty(prompt.prompt, suffixes.prompt)
        if self._outgrows:  # the tokenizer may have written what the model cannot read
            self._check_ids(prompt.prompt + prompt.identifier, suffixes.prompt)
            for index, ways in enumerate(found.surfaces):
                for _, place in ways:
                    self._check_ids(prompt.continuations[place], suffixes.field(index))
        self._check_length(prompt, suffixes.prompt)

    def _check_length(self, prompt: TokenPrompt, name: str) -> None:
        needed, room = prompt.total_length, self._max_prompt_tokens + 1
        if needed > room:
            raise InvalidInput(
                name,
                f"the prompt and its longest option are {needed} tokens long, shots included; "
                f"the model reads at most {room}",
                reason="PROMPT_TOO_LONG",
            )


def _check_not_empty(ids: tuple[int, ...], name: str) -> None:
    if not ids:
        raise InvalidInput(name, "the prompt holds no tokens", reason="EMPTY_PROMPT")
