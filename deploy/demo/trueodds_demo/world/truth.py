"""Truth: a popular belief against what has been found out.

Two options have something to say for them: the one that people believe, the more the more of
them do, and the one that a source found, the more the better the source. The other two have
nothing. Belief counts for less than a good study, which is what makes it a misconception.
"""

from dataclasses import dataclass
from math import exp
from random import Random

from trueodds_demo.world.example import Draft

# How strongly a believing public and a source speak for their option, in log-odds against an
# option that nothing speaks for.
BELIEVERS = {"a few": 0.4, "some": 0.9, "many": 1.4, "most": 1.9}
SOURCES = {
    "a rumour says": 0.2,
    "a blog claims": 0.7,
    "one small study found": 1.6,
    "a large study found": 2.6,
    "ten studies found": 3.5,
    "every study found": 4.2,
}


@dataclass(frozen=True, slots=True)
class Topic:
    """Subjects and what may be true of them, as it follows "it" or "they"."""

    subjects: tuple[str, ...]
    claims: tuple[str, ...]
    pronoun: str
    asked: str


TOPICS = (
    Topic(
        subjects=("garlic", "honey", "green tea", "ginger", "red wine", "dark bread", "mint",
                  "goat milk", "pepper", "cold water"),
        claims=("cures colds", "helps sleep", "harms teeth", "sharpens sight", "lowers fever",
                "slows ageing", "calms nerves", "spoils fast"),
        pronoun="it",
        asked="What is true of {subject}?",
    ),
    Topic(
        subjects=("bats", "owls", "eels", "toads", "moths", "geese", "snails", "moles",
                  "crows", "seals"),
        claims=("are blind", "hate rain", "sleep all winter", "fear light", "live in pairs",
                "never drink", "smell water", "hear colours"),
        pronoun="they",
        asked="What is true of {subject}?",
    ),
)  # fmt: skip
FORMS = (
    "{believers} people think {subject} {belief}, but {source} {pronoun} {finding}.",
    "{believers} people believe that {subject} {belief}; {source} {pronoun} {finding}.",
    "{believers} people say {subject} {belief}, yet {source} {pronoun} {finding}.",
)


def compose(rng: Random) -> Draft:
    """A belief and a finding that differ, and two claims that nobody makes."""
    topic = rng.choice(TOPICS)
    claims = tuple(rng.sample(topic.claims, 4))
    subject = rng.choice(topic.subjects)
    believers, source = rng.choice(tuple(BELIEVERS)), rng.choice(tuple(SOURCES))
    said = rng.choice(FORMS).format(
        believers=believers.capitalize(),
        subject=subject,
        belief=claims[0],
        source=source,
        pronoun=topic.pronoun,
        finding=claims[1],
    )
    return Draft(
        text=f"{said} {topic.asked.format(subject=subject)}",
        options=claims,
        weights=(exp(BELIEVERS[believers]), exp(SOURCES[source]), 1.0, 1.0),
    )
