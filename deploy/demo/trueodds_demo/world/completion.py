"""Completion: what somebody packed hints at where they went.

Every thing belongs to one place. A place is e^``WEIGHT`` times as likely for each of its things
that is named, so mixed luggage leaves the ending open.
"""

from math import exp
from random import Random

from trueodds_demo.world.example import Draft
from trueodds_demo.world.prose import listing

WEIGHT = 1.3
# The chance that a thing belongs to the place the packer had in mind.
FOCUS = 0.7

THINGS = {
    "beach": ("a towel", "a sun hat", "a bucket", "a swimsuit", "a beach ball", "a shell"),
    "forest": ("an axe", "a compass", "a bird book", "a mushroom knife", "a tent", "some boots"),
    "kitchen": ("a whisk", "an apron", "a frying pan", "some flour", "a ladle", "a cake tin"),
    "office": ("a laptop", "a stapler", "some folders", "a badge", "a tie", "a report"),
    "school": ("some chalk", "a pencil case", "a globe", "a spelling book", "a ruler", "a slate"),
    "harbour": ("a rope", "an anchor", "a fishing net", "an oar", "a sail", "a lobster pot"),
    "garden": ("a spade", "some seeds", "a rake", "a flower pot", "a hose", "some compost"),
    "theatre": ("a mask", "a script", "a costume", "a wig", "a curtain", "some make-up"),
}
NAMES = (
    "Ada", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Kate",
    "Leo", "Mia", "Noah", "Olive", "Paul", "Rosa", "Sam", "Tessa", "Victor",
)  # fmt: skip
OPENINGS = (
    "{name} packed {things} and went to the",
    "With {things}, {name} walked to the",
    "{name} took {things} along to the",
    "{name} picked up {things} and left for the",
    "Carrying {things}, {name} arrived at the",
)


def compose(rng: Random) -> Draft:
    """A sentence that names one to four things; four places could end it."""
    places = tuple(rng.sample(tuple(THINGS), 4))
    counts = dict.fromkeys(places, 0)
    things: list[str] = []
    for _ in range(rng.choices((1, 2, 3, 4), (1, 2, 3, 2))[0]):
        place = places[0] if rng.random() < FOCUS else rng.choice(places)
        thing = rng.choice(THINGS[place])
        if thing not in things:
            things.append(thing)
            counts[place] += 1
    return Draft(
        text=rng.choice(OPENINGS).format(name=rng.choice(NAMES), things=listing(things)),
        options=places,
        weights=tuple(exp(WEIGHT * counts[place]) for place in places),
    )
