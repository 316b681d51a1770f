"""Toxicity: is a comment toxic? Rude words make it likelier, kind words less likely."""

from math import exp
from random import Random

from trueodds_demo.world.example import Draft
from trueodds_demo.world.prose import listing

# What a word adds to the log-odds of "toxic".
RUDE = {
    word: weight
    for weight, words in (
        (0.5, ("lazy", "silly", "clumsy", "boring", "messy", "noisy", "stubborn", "vain")),
        (1.1, ("stupid", "pathetic", "useless", "worthless", "disgusting", "idiotic")),
    )
    for word in words
}
KIND = {
    word: weight
    for weight, words in (
        (-0.5, ("polite", "careful", "calm", "honest", "patient", "tidy", "modest", "cheerful")),
        (-1.0, ("kind", "brilliant", "generous", "wonderful", "lovely", "gentle")),
    )
    for word in words
}
WEIGHTS = RUDE | KIND
# The words that take "an": the sound decides, not the letter.
TAKE_AN = {"honest", "idiotic"}

PEOPLE = ("cook", "driver", "teacher", "singer", "writer", "player", "neighbour", "clerk",
          "guide", "host", "painter", "editor")  # fmt: skip
FORMS = (
    "What {article} {words} {person} you are!",
    "You are {article} {words} {person}.",
    "Everybody says your {person} is {words}.",
    "I think the {person} was {words} today.",
    "Only {article} {words} {person} would say that.",
)
ASKED = ("Is this comment toxic?", "Would you call this toxic?", "Is that a toxic comment?")


def compose(rng: Random) -> Draft:
    """A comment with one to four words about somebody, rude and kind ones mixed."""
    rude = rng.random()
    drawn = (
        rng.choice(tuple(RUDE if rng.random() < rude else KIND))
        for _ in range(rng.choices((1, 2, 3, 4), (1, 3, 3, 2))[0])
    )
    words = tuple(dict.fromkeys(drawn))
    article = "an" if words[0] in TAKE_AN else "a"
    comment = rng.choice(FORMS).format(
        article=article, words=listing(words), person=rng.choice(PEOPLE)
    )
    odds = exp(sum(WEIGHTS[word] for word in words))
    return Draft(
        text=f'"{comment}" {rng.choice(ASKED)}',
        options=("toxic", "not toxic"),
        weights=(odds, 1.0),
    )
