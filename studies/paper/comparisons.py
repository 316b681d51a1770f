"""The comparisons that the claims are about, by model and way."""

from collections.abc import Sequence
from typing import Any

from studies.paper import effects
from studies.paper.readings import Readings
from studies.paper.schemes import SCHEMES

ASKED = ("paren/0", "paren/5", "letter/0", "letter/5")


def compared(readings: Readings, base: str, aligned: Sequence[str], task: str) -> dict[str, Any]:
    """All of them, on one task: of every model, and of the aligned ones beside their base."""

    def less(one: effects.Asked, other: effects.Asked, measure: str = "ece") -> dict[str, float]:
        return effects.difference(readings, one, other, task, measure)

    def taught(way: str) -> effects.Asked:
        return base, f"{way.partition('/')[0]}/5"

    return {
        "shots": {
            f"{model} {each}": less((model, f"{each}/5"), (model, f"{each}/0"))
            for model in readings.models
            for each in ("paren", "letter")
        },
        "irrelevant_shots": {
            model: less((model, "paren/other"), (model, "paren/0"))
            for model in readings.models
            if "paren/other" in readings.ways(model)
        },
        "paren_narrows": effects.gap_of_gaps(
            readings,
            [(base, "letter/0"), (base, "letter/5")],
            [(base, "paren/0"), (base, "paren/5")],
            task,
        ),
        "aligned_less_base": {
            f"{model} {way}": less((model, way), (base, way)) for model in aligned for way in ASKED
        },
        "overconfidence": {
            f"{model} {way}": effects.overconfident(readings, (model, way), task)
            for model in readings.models
            for way in ASKED
        },
        "format_left_in": {
            f"{model} {way}": effects.format_left_in(readings, (model, way), task)
            for model in readings.models
            for way in ASKED
        },
        # What the schemes are held against: the base after five shots in the same format.
        "aligned_after_shots": {
            f"{model} {way}": less((model, way), taught(way)) for model in aligned for way in ASKED
        },
        "overconfidence_after_shots": {
            f"{model} {way}": less((model, way), taught(way), "overconfidence")
            for model in aligned
            for way in ASKED
        },
        "dpo_choice_above_all": {
            way: effects.above_all(
                readings,
                ("dpo-choice", way),
                [(scheme, way) for scheme in SCHEMES if scheme != "dpo-choice"],
                task,
            )
            for way in ASKED
        },
    }
