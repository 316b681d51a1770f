"""A question's prompt and options as text: what is tokenised."""

from typing import NamedTuple

from trueodds_service.prompts.question import Question
from trueodds_service.prompts.reading import Reading


class Text(NamedTuple):
    """Text to tokenise."""

    text: str
    special: bool = False
    """Whether names of special tokens in it are special tokens."""
    bare: bool = False
    """Whether the tokenizer leaves out what it puts around every text, such as a BOS."""

    @property
    def line(self) -> "Text":
        """The last line, from the line break before it."""
        return Text(self.text[max(self.text.rfind("\n"), 0) :], self.special, bare=True)

    def followed_by(self, text: str) -> "Text":
        return self._replace(text=self.text + text)


class Suffixes(NamedTuple):
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

    def beginning_with(self, lead: str) -> "Suffixes":
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


class Written(NamedTuple):
    """A prompt, and what is read after it."""

    text: Text
    suffixes: Suffixes


def suffixes_of(question: Question, reading: Reading) -> Suffixes:
    """The identifier and the options as the reading has them written, variants included."""
    written = reading.format
    lead = written.lead
    named = question.options if written.reads_text else question.labels
    leads = [lead]
    if reading.variants:
        leads.append(lead[:-1] if lead.endswith(" ") else f"{lead} ")
    surfaces = tuple(tuple(each + name for each in leads) for name in named)
    prompt = "text" if question.prompt is None else "prompt"
    return Suffixes(written.identifier, surfaces, written.reads_text, prompt)
