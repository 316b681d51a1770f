"""Questions and callers' own prompts as text, with what no text may hold kept out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueodds_service.errors import InvalidInput, field
from trueodds_service.prompts.chat import ChatTemplate
from trueodds_service.prompts.controls import control_names, split_controls
from trueodds_service.prompts.formats import DecisionFormat, ask, asked_length
from trueodds_service.prompts.question import ChatPrompt, Question, TextPrompt
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.written import Suffixes, Text, Written, suffixes_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NO_DECISIONS = (
    "answers no decisions: its chat template does not take a plain conversation that an answer "
    "follows at once"
)


class Writer:
    """Writes prompts for one model."""

    def __init__(
        self,
        plain: "PreTrainedTokenizerBase",
        special: "PreTrainedTokenizerBase",
        max_prompt_tokens: int,
    ) -> None:
        """``plain`` reads names of special tokens as text, where it can; ``special`` as tokens."""
        self._template = ChatTemplate(special)
        # What no text may hold: in a conversation every control token's name, for they are read;
        # in a plain text those that the tokenizer cannot be kept from reading.
        self._control_names = control_names(special)
        self._unsplit_names = split_controls(plain)
        self._max_prompt_tokens = max_prompt_tokens
        # No text of more characters is as few tokens as the model reads.
        longest = max(map(len, special.get_vocab()))
        self.max_characters = (max_prompt_tokens + 1) * longest

    def write(
        self,
        question: Question,
        prompt: TextPrompt | ChatPrompt | None,
        examples: str,
        reading: Reading,
    ) -> Written:
        """A question after its worked ``examples``, or after a ``prompt`` of its caller's own.

        Raises InvalidInput, whose field is relative to the question.
        """
        suffixes = suffixes_of(question, reading)
        longest = max(map(len, suffixes.texts))
        if isinstance(reading.format, DecisionFormat) and self._template.exists and not examples:
            length = asked_length(question, reading.format)
            self.check_characters(length + longest, suffixes.prompt)
            text = self._in_chat(question, reading.format)
            suffixes = suffixes.beginning_with(self._template.answer_lead)
        elif prompt is None:
            # Before it is written: places that come again and again make a little a lot.
            length = len(examples) + asked_length(question, reading.format)
            self.check_characters(length + longest, suffixes.prompt)
            text = Text(examples + ask(question, reading.format))
            _check_one_space(text.text, suffixes, "text")
            if isinstance(reading.format, DecisionFormat):
                # Part by part: who asks one has sent them apart.
                self._check_parts(question, self._unsplit_names)
            self._check_plain(text.text, "text", self._unsplit_names)
        else:
            with field("prompt"):
                text = self.own_text(prompt)
            self.check_characters(len(text.text) + longest, suffixes.prompt)
            suffixes = self._after_own(prompt, text, suffixes)
        controls = self._unsplit_names
        if text.special:
            # A caller that sends special text may say special tokens.
            controls = self._control_names if isinstance(prompt, ChatPrompt) else ()
        for index, surfaces in enumerate(suffixes.surfaces):
            self._check_plain(surfaces[0], suffixes.field(index), controls)
        return Written(text, suffixes)

    def own_text(self, prompt: TextPrompt | ChatPrompt) -> Text:
        """A prompt of the caller's own as text."""
        if isinstance(prompt, TextPrompt):
            if not prompt.special:
                self._check_plain(prompt.text, "text", self._unsplit_names)
            return Text(prompt.text, special=prompt.special, bare=prompt.special)
        with field("chat"):
            for index, (role, content) in enumerate(prompt.messages):
                self._check_plain(role, f"messages[{index}].role", self._control_names)
                self._check_plain(content, f"messages[{index}].content", self._control_names)
            self._check_plain(prompt.answer_prefix, "answer_prefix", self._control_names)
            text = self._template.write(prompt.messages, prompt.answer_prefix)
        return Text(text, special=True, bare=True)

    def check_characters(self, length: int, name: str) -> None:
        """Refuses what is certainly too long in tokens; to find out how long would take long."""
        if length > self.max_characters:
            raise InvalidInput(
                name,
                f"the prompt and its longest option are {length} characters long, shots included; "
                f"the model reads at most {self._max_prompt_tokens + 1} tokens",
                reason="PROMPT_TOO_LONG",
            )

    def _in_chat(self, question: Question, written: DecisionFormat) -> Text:
        """A decision as the user's turn, after the system's where the template has one."""
        self._check_parts(question, self._control_names)
        said = written.said(question)
        if not question.system:
            messages = [("user", said)]
        elif self._template.takes_system:
            messages = [("system", question.system), ("user", said)]
        else:
            messages = [("user", f"{question.system}\n\n{said}")]
        try:
            return Text(self._template.write(messages), special=True, bare=True)
        except InvalidInput as error:
            # The conversation is ours: what the caller can change is which model is asked.
            raise InvalidInput("model", _NO_DECISIONS, reason=error.reason) from error

    def _after_own(
        self, prompt: TextPrompt | ChatPrompt, text: Text, suffixes: Suffixes
    ) -> Suffixes:
        """What is read after a prompt of the caller's own.

        A format's answer begins with a space where the text goes on before it, as after "Answer:".
        At the start of a line there is none, and where an assistant's turn begins it is what the
        chat template puts there. Raises InvalidInput for a second space.
        """
        if isinstance(prompt, ChatPrompt) and not prompt.answer_prefix:
            return suffixes.beginning_with(self._template.answer_lead)
        if text.text.endswith(("\n", "\r")):
            return suffixes.beginning_with("")
        chat = isinstance(prompt, ChatPrompt)
        _check_one_space(text.text, suffixes, "prompt.chat.answer_prefix" if chat else "prompt")
        return suffixes

    def _check_parts(self, question: Question, controls: Sequence[str]) -> None:
        parts = {"system": question.system, "passage": question.passage, "text": question.text}
        parts |= {f"options[{i}].text": text for i, text in enumerate(question.options)}
        for name, part in parts.items():
            self._check_plain(part, name, controls)

    @staticmethod
    def _check_plain(text: str, name: str, controls: Sequence[str]) -> None:
        """A control token in a message could end the turn, and speak for somebody else."""
        if not controls or not any(begin in text for begin in {each[0] for each in controls}):
            return
        if any(control in text for control in controls):
            raise InvalidInput(
                name, "names a control token of the model", reason="SPECIAL_TOKEN_IN_TEXT"
            )


def _check_one_space(text: str, suffixes: Suffixes, name: str) -> None:
    """Some tokenizers would join two spaces, and some read what no model writes."""
    if text[-1:].isspace() and text[-1] not in "\r\n" and suffixes.begins_with_space:
        raise InvalidInput(
            name,
            "ends in a space, and the format's answer begins with one: leave one of them out",
            reason="SPACE_BEFORE_ANSWER",
        )
