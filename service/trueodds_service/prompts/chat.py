"""Conversations as text, by the chat template that lies beside a model's tokenizer."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from trueodds_service.errors import InvalidInput

Messages = Sequence[tuple[str, str]]

# What the templates of models that think call the switch.
_NO_THOUGHT = {"enable_thinking": False, "thinking": False}

# Where a thought begins and ends, as the templates in use write it.
_THOUGHT_NAMES = ("think", "thinking", "thought", "reasoning", "reflection", "seed:think")
_THOUGHTS = (
    *((f"<{name}>", f"</{name}>") for name in _THOUGHT_NAMES),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)

# A template may write the date, and the same question has to be the same prompt tomorrow. This is
# the date that Llama's own templates fall back to.
_TODAY = datetime(2024, 7, 26)

_BY_CHANCE = re.compile(r"\|\s*random\b|\blipsum\s*\(")


class ChatTemplate:
    """The template of one tokenizer, which has to keep the names of special tokens as they are."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def write(self, messages: Messages, answer_prefix: str = "") -> str:
        """The conversation up to the assistant's answer, which begins with ``answer_prefix``.

        Raises InvalidInput, whose field is relative to the conversation.
        """
        template = self._tokenizer.chat_template
        if template is None:
            raise InvalidInput(
                "messages", "this model has no chat template", reason="NO_CHAT_TEMPLATE"
            )
        if _BY_CHANCE.search(str(template)):
            raise InvalidInput(
                "messages",
                "the model's chat template draws words at random, so that no two prompts are alike",
                reason="CHAT_TEMPLATE_RANDOM",
            )
        try:
            text = self._render(messages, header=True)
            text.encode()  # a template can write half a character, which no tokenizer reads
            opened = _opened(text + answer_prefix) and self._opens_thought(messages, answer_prefix)
        except Exception as error:
            # A template is a program that may fail in any way; its words can hold the messages.
            raise InvalidInput(
                "messages",
                "the model's chat template refuses these roles in this order",
                reason="CHAT_TEMPLATE_REFUSED",
            ) from error
        if opened:
            raise InvalidInput(
                "messages",
                "the model's chat template begins a thought, and an answer comes after it: send "
                "the conversation as special text with the thought in it, and closed",
                reason="THOUGHT_OPEN",
            )
        return text + answer_prefix

    @property
    def exists(self) -> bool:
        return self._tokenizer.chat_template is not None

    @cached_property
    def takes_system(self) -> bool:
        """Whether it writes what a system says before a user: some refuse it, some drop it."""
        told = ("trueodds-system", "trueodds-user")
        try:
            text = self._render([("system", told[0]), ("user", told[1])], header=True)
        except Exception:
            return False
        return all(each in text for each in told)

    @cached_property
    def answer_lead(self) -> str:
        """The white space that the template puts between its header and what an assistant says.

        Told by a conversation in which the assistant has answered; none where the header of an
        answer to come is written in another way.
        """
        asked = [("user", "a")]
        try:
            header = self._render(asked, header=True)
            answered = self._render([*asked, ("assistant", "b")], header=False)
        except Exception:
            return ""  # a template of other roles, or one that wants more than a word
        said = answered.removeprefix(header) if answered.startswith(header) else ""
        lead, found, _ = said.partition("b")
        return lead if found and not lead.strip() else ""

    def _render(self, messages: Messages, *, header: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in messages],
                tokenize=False,
                add_generation_prompt=header,
                strftime_now=_TODAY.strftime,
                **_NO_THOUGHT,
            )
        )

    def _opens_thought(self, messages: Messages, answer_prefix: str) -> bool:
        """Whether the header does, and not what somebody says in the conversation."""
        whole = self._render(messages, header=True)
        said = self._render(messages, header=False)
        return _opened(
            (whole.removeprefix(said) if whole.startswith(said) else whole) + answer_prefix
        )


def _opened(text: str) -> bool:
    return any(text.rfind(begin) > text.rfind(end) for begin, end in _THOUGHTS)
