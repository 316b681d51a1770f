"""Claims about the demo pair in its world of seven tasks."""

from collections.abc import Iterator
from typing import Any

from studies.intervals import over_units
from studies.report.claims import FAILS, HOLDS, Claim, judged, told

WHERE = "demo pair, seven tasks"


def claims(formats: dict[str, Any], tasks: dict[str, Any]) -> Iterator[Claim]:
    ece = {(r["model"], r["format"], r["shots"], r["task"]): r["ece"] for r in formats["rows"]}
    names = list(dict.fromkeys(row["task"] for row in formats["rows"]))

    def less(one: tuple[str, str, int], other: tuple[str, str, int]) -> dict[str, float]:
        return over_units([ece[(*one, task)] - ece[(*other, task)] for task in names])

    for way in ("letter", "paren"):
        yield judged(
            f"demo-pretrained-icl-{way}",
            "Of a pre-trained model the ECE falls sharply from zero-shot to five shots",
            f"{WHERE}, {way}",
            "ECE after five shots less zero-shot",
            less(("demo-base", way, 5), ("demo-base", way, 0)),
            -1,
            "tasks",
        )
        for shots in (0, 5):
            yield judged(
                f"demo-aligned-worse-{way}-{shots}",
                "An aligned model has a higher ECE than a pre-trained one, zero-shot and five-shot",
                f"{WHERE}, {way}/{shots}",
                "ECE less the base's",
                less(("demo-aligned", way, shots), ("demo-base", way, shots)),
                1,
                "tasks",
            )
        found = less(("demo-aligned", way, 5), ("demo-aligned", way, 0))
        yield told(
            f"demo-icl-does-not-repair-{way}",
            "Worked examples do not repair an aligned model",
            f"{WHERE}, {way}",
            "ECE after five shots less zero-shot",
            found,
            FAILS if found["high"] < 0 else HOLDS,
            "tasks",
        )
    methods = tasks["sizes"]["5"]["methods"]
    for name, other, finding, sign in (
        ("teacher_kl", "uncalibrated", "The teacher's temperature from five questions repairs", -1),
        ("temperature", "teacher_kl", "Five labels serve a temperature worse than the teacher", 1),
        ("kde", "uncalibrated", "KDE from five labels can be worse than nothing", 1),
    ):
        pairs = zip(methods[name]["by_task"], methods[other]["by_task"], strict=True)
        yield judged(
            f"demo-{name}-{other}",
            finding,
            f"{WHERE}; n = 5, 200 draws",
            f"ECE with {name} less with {other}",
            over_units([one["ece"] - two["ece"] for one, two in pairs]),
            sign,
            "tasks",
        )
