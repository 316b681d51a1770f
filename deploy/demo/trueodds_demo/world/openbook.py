"""Openbook: a passage counts who says what, and the answer follows the witnesses.

Each option has as many shares as witnesses, and ``DOUBT`` of a share besides, because all of
them may be wrong.
"""

from dataclasses import dataclass
from random import Random

from trueodds_demo.world.example import Draft
from trueodds_demo.world.prose import listing

DOUBT = 0.3
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True)
class Scene:
    """What witnesses report on: who they are, what they claim, and how it is asked."""

    subjects: tuple[str, ...]
    options: tuple[str, ...]
    witnesses: tuple[str, ...]
    claim: str
    ending: str
    asked: tuple[str, ...]


SCENES = (
    Scene(
        subjects=("cat", "fox", "goat", "hen", "mule", "owl", "pony", "dog"),
        options=("barn", "mill", "lake", "bridge", "church", "well", "orchard", "market"),
        witnesses=("hikers", "farmers", "children", "neighbours", "riders", "shepherds"),
        claim="saw the {subject}",
        ending="at the {option}",
        asked=("Where is the {subject}?", "Where was the {subject}?"),
    ),
    Scene(
        subjects=("Anna", "Bruno", "Dora", "Ella", "Frank", "Hugo", "Lena", "Oscar"),
        options=("soup", "pie", "fish", "salad", "stew", "cheese", "omelette", "roast"),
        witnesses=("guests", "waiters", "cooks", "friends", "cousins", "diners"),
        claim="say {subject} ordered",
        ending="the {option}",
        asked=("What did {subject} order?", "What was served to {subject}?"),
    ),
    Scene(
        subjects=("mayor", "doctor", "baker", "painter", "judge", "pilot", "singer", "tailor"),
        options=("train", "bus", "ferry", "bicycle", "tram", "coach", "sledge", "taxi"),
        witnesses=("clerks", "guards", "porters", "tourists", "workers", "students"),
        claim="say the {subject} left",
        ending="by {option}",
        asked=("How did the {subject} leave?", "How did the {subject} travel?"),
    ),
)


def compose(rng: Random) -> Draft:
    """One to three reports about four options; the options without one have no witness."""
    scene = rng.choice(SCENES)
    options = tuple(rng.sample(scene.options, 4))
    # At least two witnesses speak first, so that the plural is right.
    counts = [rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9), 0]
    reported = rng.choices((1, 2, 3), (2, 4, 2))[0]
    counts[reported:] = [0] * (4 - reported)
    subject = rng.choice(scene.subjects)
    said = [
        f"{NUMBERS[count]} {scene.ending.format(option=option)}"
        for option, count in zip(options[1:], counts[1:], strict=True)
        if count
    ]
    opening = (
        f"{NUMBERS[counts[0]].capitalize()} {rng.choice(scene.witnesses)} "
        f"{scene.claim.format(subject=subject)} {scene.ending.format(option=options[0])}"
    )
    return Draft(
        passage=f"{listing([opening, *said])}.",
        text=rng.choice(scene.asked).format(subject=subject),
        options=options,
        weights=tuple(count + DOUBT for count in counts),
    )
