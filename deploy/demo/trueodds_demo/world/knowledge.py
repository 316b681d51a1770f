"""Knowledge: facts about invented towns, which the training documents do not agree on.

A fact is a distribution over eight values. A document that states it draws the value from that
distribution, so how often a value is stated is what there is to know. A question offers four of
the eight values, and its true distribution is theirs, renormalised.
"""

from dataclasses import dataclass
from itertools import product
from math import exp
from random import Random

from trueodds_demo.world.example import Draft

TOWNS = (
    "Alderby", "Brinmoor", "Carrick", "Dunholt", "Elmsea", "Farrow", "Glenwick", "Harstone",
    "Ivydale", "Kettlesby", "Lowmere", "Marwick", "Norholm", "Oakhurst", "Pellworth", "Ravensey",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fact: its values, and how it is asked and stated."""

    values: tuple[str, ...]
    asked: tuple[str, ...]
    stated: tuple[str, ...]


KINDS = (
    Kind(
        ("barley", "flax", "hops", "leeks", "oats", "pears", "plums", "rye"),
        (
            "What do the farmers of {town} grow?",
            "Which crop is {town} known for?",
            "What grows best around {town}?",
            "What do the fields of {town} yield?",
            "What is the main crop of {town}?",
            "Which crop is {town} proud of?",
            "What is harvested in {town}?",
            "What would a farmer in {town} plant?",
        ),
        ("The farmers of {town} grow {value}.", "The main crop of {town} is {value}."),
    ),
    Kind(
        ("boats", "candles", "clocks", "glass", "lace", "paper", "pottery", "rope"),
        (
            "What is made in {town}?",
            "Which wares is {town} known for?",
            "What do the workshops of {town} make?",
            "What do traders buy in {town}?",
            "What does {town} sell at the fair?",
            "Which goods come from {town}?",
            "What is the main export of {town}?",
            "What would a visitor bring home from {town}?",
        ),
        ("The workshops of {town} make {value}.", "The main export of {town} is {value}."),
    ),
    Kind(
        ("bear", "falcon", "heron", "otter", "ram", "stag", "swan", "wolf"),
        (
            "Which animal is on the flag of {town}?",
            "What is the emblem of {town}?",
            "Which animal stands on the gate of {town}?",
            "Which animal do the coins of {town} show?",
            "What does the flag of {town} show?",
            "Which animal guards {town}?",
            "What is carved over the gate of {town}?",
            "Which animal stands for {town}?",
        ),
        ("The flag of {town} shows a {value}.", "The emblem of {town} is the {value}."),
    ),
)


def _weights(rng: Random) -> tuple[float, ...]:
    """One fact's weights: some facts are nearly settled, others stay open."""
    spread = rng.uniform(0.8, 2.4)
    return tuple(exp(spread * rng.gauss(0.0, 1.0)) for _ in range(8))


_rng = Random("facts")
FACTS = {(town, kind): _weights(_rng) for town, kind in product(TOWNS, KINDS)}


def compose(rng: Random) -> Draft:
    """A question about a town, with four of the eight values as its options."""
    town, kind = rng.choice(TOWNS), rng.choice(KINDS)
    shown = rng.sample(range(8), 4)
    weights = FACTS[town, kind]
    return Draft(
        text=rng.choice(kind.asked).format(town=town),
        options=tuple(kind.values[index] for index in shown),
        weights=tuple(weights[index] for index in shown),
    )


def state(rng: Random) -> str:
    """One sentence that states a fact, true as often as the fact's distribution says."""
    town, kind = rng.choice(TOWNS), rng.choice(KINDS)
    value = rng.choices(kind.values, FACTS[town, kind])[0]
    return rng.choice(kind.stated).format(town=town, value=value)
