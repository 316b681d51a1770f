"""Logic: a conclusion from hedged premises, by elimination or by a condition.

A hedge says how likely its premise is. "Almost certainly", "probably" and the like are taken at
their word, and what follows from the premises is as likely as they are.
"""

from random import Random

from trueodds_demo.world.example import Draft
from trueodds_demo.world.prose import listing

# How likely a box still is once the hedge has been said of it.
RULED_OUT = {"not": 0.04, "most likely not": 0.15, "probably not": 0.35, "perhaps not": 0.65}
# How likely the premise of a condition is, by the sentence that gives it.
PREMISES = {
    "{subject} is almost certainly {state}.": 0.93,
    "{subject} is probably {state}.": 0.78,
    "perhaps {subject} is {state}.": 0.6,
    "perhaps {subject} is not {state}.": 0.4,
    "{subject} is probably not {state}.": 0.22,
    "{subject} is almost certainly not {state}.": 0.07,
}
# What an option that neither branch names keeps: little, but the premises may not be all.
UNNAMED = 0.03

ITEMS = ("coin", "key", "letter", "map", "pearl", "ring", "stamp", "ticket", "watch", "whistle")
HOLDERS = ("box", "bag", "drawer", "jar", "chest", "tin", "case", "basket")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
PEOPLE = ("Adam", "Bella", "Carl", "Daisy", "Erik", "Flora", "Greta", "Hans", "Ines", "Jonas")
ACTIONS = ("reads", "paints", "sleeps", "cooks", "sings", "knits", "writes", "swims")
CONDITIONS = (
    ("it", "raining"),
    ("it", "snowing"),
    ("the bell", "ringing"),
    ("the shop", "shut"),
    ("the road", "icy"),
    ("the bus", "late"),
)


def compose(rng: Random) -> Draft:
    """One of the two kinds of puzzle."""
    return _elimination(rng) if rng.random() < 0.5 else _condition(rng)


def _elimination(rng: Random) -> Draft:
    """A thing is in one of four places; one to three of them are ruled out, more or less."""
    colours = rng.sample(COLOURS, 4)
    hedges = rng.choices(tuple(RULED_OUT), (5, 3, 2, 1), k=rng.choices((1, 2, 3), (1, 3, 4))[0])
    item, holder = rng.choice(ITEMS), rng.choice(HOLDERS)
    said = listing(
        [f"{hedge} the {colour} one" for hedge, colour in zip(hedges, colours, strict=False)]
    )
    weights = [RULED_OUT[hedge] for hedge in hedges]
    return Draft(
        text=f"The {item} is in a {holder}: {said}. Which {holder} is it in?",
        options=tuple(colours),
        weights=(*weights, *(1.0,) * (4 - len(weights))),
    )


def _condition(rng: Random) -> Draft:
    """Somebody does one thing if a premise holds and another if not."""
    actions = tuple(rng.sample(ACTIONS, 4))
    person = rng.choice(PEOPLE)
    subject, state = rng.choice(CONDITIONS)
    premise = rng.choice(tuple(PREMISES))
    likely = PREMISES[premise]
    said = premise.format(subject=subject, state=state)
    return Draft(
        text=(
            f"If {subject} is {state}, {person} {actions[0]}; if not, {person} {actions[1]}. "
            f"{said[0].upper()}{said[1:]} What does {person} do?"
        ),
        options=actions,
        weights=(likely, 1.0 - likely, UNNAMED, UNNAMED),
    )
