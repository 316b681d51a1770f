"""Questions at which an engine is hostile, among others, in calls of every kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from trueodds.v1 import calibration_pb2 as fits
from trueodds.v1 import question_pb2 as questions
from trueodds.v1 import reading_pb2 as readings
from trueodds.v1 import scoring_pb2 as scores
from verification.fuzz.double import Mark
from verification.fuzz.known import MARKER

_FORMATS = (
    readings.FORMAT_LETTER,
    readings.FORMAT_PAREN,
    readings.FORMAT_PAREN_OPTIONS,
    readings.FORMAT_TEXT,
)
_NORMALIZATIONS = readings.Normalization.values()


@dataclass(frozen=True)
class Asked:
    """A question, and the mark that it bears, if any."""

    question: questions.Question
    mark: Mark | None


class Questions:
    """Draws questions, no two of which are alike: a prompt that killed is not asked again.

    ``tokens`` are the marks as tokens.
    """

    def __init__(self, random: Random, name: str, tokens: Mapping[Mark, int]) -> None:
        self._random = random
        self._name = name
        self._tokens = tokens
        self._count = 0

    def draw(self, *, share: float) -> Asked:
        """A question of any kind, marked with a probability of ``share``."""
        self._count += 1
        mark = self._random.choice([*Mark]) if self._random.random() < share else None
        if self._random.random() < 0.2:
            return Asked(self._in_tokens(mark), mark)
        return Asked(self._in_text(mark), mark)

    def _in_text(self, mark: Mark | None) -> questions.Question:
        sign = "" if mark is None else mark.character
        text = f"{MARKER} {self._name} {self._count}{sign}?"
        question = questions.Question(options=self._options())
        match self._random.choice(["text", "text", "passage", "prompt", "special_text", "chat"]):
            case "text":
                question.text = text
            case "passage":
                question.passage, question.text = text, "Which one is it?"
            case "chat":
                question.prompt.chat.messages.add(role="user", content=text)
            case "special_text":
                question.prompt.special_text = f"{text}<|end|>\nAnswer:"
            case _:
                question.prompt.text = f"{text}\nAnswer:"
        return question

    def _options(self) -> list[questions.Option]:
        count = self._random.randint(2, 4)
        return [questions.Option(text=f"{MARKER} {number}") for number in range(count)]

    def _in_tokens(self, mark: Mark | None) -> questions.Question:
        """Its name and number in base 100, as tokens beyond the special ones."""
        numbers = [*(ord(letter) % 100 for letter in self._name), *divmod(self._count, 100)]
        ids = [100 + number for number in numbers]
        options = [[50, 51], [52], [53, 54, 55]]
        if mark is not None:
            self._random.choice([ids, *options]).append(self._tokens[mark])
        question = questions.Question(
            options=[questions.Option(text=str(each), token_ids=each) for each in options]
        )
        question.prompt.token_ids.ids.extend(ids)
        return question

    def settings(self, asked: list[Asked]) -> scores.ScoreSettings:
        """The settings of a call with these questions, but for the model."""
        reading = readings.Reading(
            format=self._random.choice(_FORMATS),
            normalization=self._random.choice(_NORMALIZATIONS),
            sum_variants=self._random.random() < 0.3,
        )
        if reading.normalization == readings.NORMALIZATION_PMI:
            reading.unconditional_prompt.text = "Answer:"
        settings = scores.ScoreSettings(reading=reading, top_tokens=self._random.choice([0, 0, 5]))
        if not any(each.question.HasField("prompt") for each in asked):
            if self._random.random() < 0.3:
                reading.order_correction = readings.ORDER_CORRECTION_CYCLIC
            if self._random.random() < 0.3:
                shot = questions.Question(text="Which one?", options=self._options())
                settings.shots.add(question=shot, answer=1)
            settings.reading.CopyFrom(reading)
        return settings

    def fit(self, asked: list[Asked]) -> fits.FitCalibratorRequest:
        """A fit of its questions, which is not stored; all have two options and a text."""
        request = fits.FitCalibratorRequest(method=fits.METHOD_TEMPERATURE, validate_only=True)
        for number, each in enumerate(asked):
            item = request.questions.items.add(question=each.question, answer=number % 2)
            del item.question.options[2:]
        return request

    def text_only(self, count: int, *, share: float) -> list[Asked]:
        """Questions that are not a prompt of the caller's own, as a fit wants them alike."""
        drawn: list[Asked] = []
        while len(drawn) < count:
            asked = self.draw(share=share)
            if not asked.question.HasField("prompt"):
                drawn.append(asked)
        return drawn
