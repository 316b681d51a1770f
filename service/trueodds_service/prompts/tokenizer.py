"""Prompts to token ids, with the options' tokens found and checked. The home of transformers.

A label can be another token than it is alone ("A" and " A" are different ids), and a letter
looked up wrongly still gives a plausible number. So the prompt and the label are tokenised
together, and the label's token is what that adds to the prompt.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import SHAPES, AnswerShape, Format, render
from trueodds_service.prompts.question import Question, Shot


class PromptTokenizer:
    """Makes engine prompts for one model. Thread-safe."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_prompt_tokens: int) -> None:
        """``max_prompt_tokens`` is the longest prompt that leaves room for the answer."""
        self._tokenizer = tokenizer
        self._max_prompt_tokens = max_prompt_tokens
        self._labels: dict[tuple[str, AnswerShape, tuple[str, ...]], _LabelTokens] = {}

    @classmethod
    def load(cls, weights: Path, max_prompt_tokens: int) -> "PromptTokenizer":
        """The tokenizer that lies beside a model's weights. Runs no code from there."""
        tokenizer = AutoTokenizer.from_pretrained(
            str(weights),
            local_files_only=True,
            trust_remote_code=False,
            # A caller's text is text: "<|end|>" in a question is not the end of anything.
            split_special_tokens=True,
        )
        return cls(tokenizer, max_prompt_tokens)

    def prompts(
        self, questions: Sequence[Question], shots: Sequence[Shot], answer_format: Format
    ) -> list[TokenPrompt | InvalidInput]:
        """One engine prompt a question, or what is wrong with it; the order is kept."""
        if not questions:
            return []
        shape = SHAPES[answer_format]
        texts = [render(question, shots, answer_format) for question in questions]
        outcomes: list[TokenPrompt | InvalidInput] = []
        for question, text, ids in zip(questions, texts, self._encode(texts), strict=True):
            try:
                outcomes.append(self._prompt(question, text, tuple(ids), shape))
            except InvalidInput as error:
                outcomes.append(error)
        return outcomes

    def _prompt(
        self, question: Question, text: str, ids: tuple[int, ...], shape: AnswerShape
    ) -> TokenPrompt:
        label_tokens = self._label_tokens(question.labels, text, ids, shape)
        prompt = TokenPrompt(ids, label_tokens.options, label_tokens.identifier)
        if prompt.length > self._max_prompt_tokens:
            raise InvalidInput(
                "text",
                f"the prompt is {prompt.length} tokens long, shots included; "
                f"the model reads at most {self._max_prompt_tokens}",
                reason="PROMPT_TOO_LONG",
            )
        return prompt

    def _label_tokens(
        self, labels: tuple[str, ...], text: str, ids: tuple[int, ...], shape: AnswerShape
    ) -> "_LabelTokens":
        """The tokens of the labels after this prompt.

        What a label's token is depends on the text right before it, and every prompt ends in
        the same line. Where that line's tokens end the prompt's, so that no token reaches
        across its start, the answer for the line is the answer for the prompt, and is kept.
        """
        line = text[text.rindex("\n") :]
        line_ids = tuple(self._encode([line], special=False)[0])
        if ids[-len(line_ids) :] != line_ids:
            return self._find_label_tokens(labels, _Prompt(text, ids, special=True), shape)
        key = (line, shape, labels)
        found = self._labels.get(key)
        if found is None:
            found = self._find_label_tokens(labels, _Prompt(line, line_ids, special=False), shape)
            if len(self._labels) < _KEPT_LABEL_SETS:
                self._labels[key] = found
        return found

    def _find_label_tokens(
        self, labels: tuple[str, ...], prompt: "_Prompt", shape: AnswerShape
    ) -> "_LabelTokens":
        identifier: int | None = None
        if shape.identifier:
            added = self._added(prompt, shape.identifier)
            if added is None or len(added) != 1:
                raise InvalidInput(
                    "format",
                    f"{shape.identifier!r} is not one token of this model after the prompt; "
                    "use another format",
                    reason="FORMAT_IDENTIFIER_NOT_ONE_TOKEN",
                )
            identifier = added[0]
        options: list[int] = []
        lead = shape.identifier + shape.before_label
        for index, label in enumerate(labels):
            field = f"options[{index}].label"
            added = self._added(prompt, lead + label)
            if added is not None and identifier is not None:
                added = added[1:] if added[0] == identifier else None
            if added is None or len(added) != 1:
                raise InvalidInput(
                    field,
                    f"the label {label!r} is not one token of this model at the place of the "
                    "answer; use single letters or short words that are",
                    reason="LABEL_NOT_ONE_TOKEN",
                )
            if added[0] in options:
                other = labels[options.index(added[0])]
                raise InvalidInput(
                    field,
                    f"the labels {other!r} and {label!r} are the same token of this model",
                    reason="LABELS_SAME_TOKEN",
                )
            options.append(added[0])
        return _LabelTokens(identifier, tuple(options))

    def _added(self, prompt: "_Prompt", suffix: str) -> tuple[int, ...] | None:
        """The tokens that ``suffix`` adds to the prompt; None where it changes the prompt's."""
        whole = tuple(self._encode([prompt.text + suffix], special=prompt.special)[0])
        if whole[: len(prompt.ids)] != prompt.ids or len(whole) == len(prompt.ids):
            return None
        return whole[len(prompt.ids) :]

    def _encode(self, texts: list[str], *, special: bool = True) -> list[list[int]]:
        # Over-long input is refused above, so the tokenizer's own warning would be noise.
        encoded = self._tokenizer(texts, add_special_tokens=special, verbose=False)
        return encoded["input_ids"]  # type: ignore[no-any-return]


class _Prompt(NamedTuple):
    text: str
    ids: tuple[int, ...]
    special: bool
    """Whether the ids hold what the tokenizer puts around every text, such as a BOS."""


class _LabelTokens(NamedTuple):
    identifier: int | None
    options: tuple[int, ...]


# Callers choose labels, so what is kept of them is bounded.
_KEPT_LABEL_SETS = 4096
