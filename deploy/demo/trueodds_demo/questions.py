"""The world's examples as the client asks them."""

from trueodds import Example, Question
from trueodds_demo import world

# The paper fits on five held-out questions a task, and shows five worked examples.
FIT_QUESTIONS = 5
SHOTS = 5


def shots(task: str) -> list[Example]:
    """The task's worked examples."""
    return [Example(_question(shot), shot.answer) for shot in world.shots(task, SHOTS)]


def fit_questions(task: str) -> list[Question]:
    """The questions that a temperature is fitted on: held out, and without their answers."""
    return [_question(example) for example in world.held_out(task, FIT_QUESTIONS)]


def scored_examples(task: str, count: int) -> list[world.Example]:
    """Held-out examples, others than those of the fit."""
    return world.held_out(task, FIT_QUESTIONS + count)[FIT_QUESTIONS:]


def scored_questions(task: str, count: int) -> list[Question]:
    """The questions of ``scored_examples``."""
    return [_question(example) for example in scored_examples(task, count)]


def _question(example: world.Example) -> Question:
    asked = example.question
    return Question(asked.text, asked.options, asked.passage)
