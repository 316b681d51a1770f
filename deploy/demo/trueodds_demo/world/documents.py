"""Training documents: what a pre-trained model of this world has read.

Most documents hold one to eight questions of one task, answered throughout in one of three
formats; the rest state facts. The formats share every character up to ``Answer:``, so before
the first answer of a document a reader cannot know its format, and after one it can: this is
where the format uncertainty of the trained model comes from.
"""

from collections.abc import Iterator
from random import Random

from trueodds_demo.world.draw import training
from trueodds_demo.world.example import Example
from trueodds_demo.world.knowledge import state
from trueodds_demo.world.tasks import TASKS
from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format, answer, render

FACTS_SHARE = 0.1
# How often a document of questions answers "(A)", "A", or with the option's words.
ANSWERS = {PAREN: 0.4, LETTER: 0.3, TEXT: 0.3}
MOST_QUESTIONS = 8
MOST_FACTS = 12


def documents(rng: Random) -> Iterator[str]:
    """Endless documents, drawn from the training part of the world."""
    examples = {task: training(task, rng) for task in TASKS}
    while True:
        if rng.random() < FACTS_SHARE:
            yield " ".join(state(rng) for _ in range(rng.randint(1, MOST_FACTS)))
            continue
        source = examples[rng.choice(TASKS)]
        answer_format = rng.choices(tuple(ANSWERS), tuple(ANSWERS.values()))[0]
        count = rng.randint(1, MOST_QUESTIONS)
        yield "\n\n".join(answered(next(source), answer_format) for _ in range(count))


def answered(example: Example, answer_format: Format) -> str:
    """A question with its answer, as the service would render it as a worked example."""
    prompt = render(example.question, (), answer_format)
    return prompt + answer(example.question, example.answer, answer_format)
