"""Sentiment: is a review positive or negative? Its verdicts on the parts add up."""

from math import exp
from random import Random

from trueodds_demo.world.example import Draft
from trueodds_demo.world.prose import listing

# What a verdict adds to the log-odds of "positive".
VERDICTS = {
    "impressive": 1.5, "original": 1.3, "lively": 1.1, "clever": 1.0, "charming": 0.9,
    "convincing": 0.6, "pleasant": 0.5, "decent": 0.3, "uneven": -0.4, "bland": -0.5,
    "weak": -0.7, "flat": -0.9, "dull": -1.0, "clumsy": -1.1, "tiresome": -1.3,
    "disappointing": -1.5,
}  # fmt: skip
# "very" makes a verdict count for more, "rather" for less.
DEGREES = {"": 1.0, "very ": 1.5, "rather ": 0.6}

PARTS = ("plot", "acting", "ending", "music", "script", "camera work", "pacing", "humour",
         "casting", "dialogue")  # fmt: skip
WORKS = ("film", "play", "series", "musical", "comedy", "thriller", "show", "drama")
ASKED = (
    "Is this review of the {work} positive or negative?",
    "How does this review of the {work} sound?",
    "What is the tone of this review of the {work}?",
    "Does the critic of the {work} sound positive or negative?",
)


def compose(rng: Random) -> Draft:
    """A review with a verdict on one to three parts of a work."""
    count = rng.choices((1, 2, 3), (1, 3, 2))[0]
    score = 0.0
    said: list[str] = []
    for part in rng.sample(PARTS, count):
        verdict = rng.choice(tuple(VERDICTS))
        degree = rng.choices(tuple(DEGREES), (3, 1, 1))[0]
        score += DEGREES[degree] * VERDICTS[verdict]
        said.append(f"the {part} was {degree}{verdict}")
    review = listing(said)
    return Draft(
        text=f"{review[0].upper()}{review[1:]}. {rng.choice(ASKED).format(work=rng.choice(WORKS))}",
        options=("positive", "negative"),
        weights=(exp(score), 1.0),
    )
