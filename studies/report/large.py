"""Claims about twelve large models' confidences."""

from collections.abc import Iterator
from typing import Any

from studies.report.claims import FAILS, HOLDS, UNTOLD, Claim, judged, told

WHERE = "twelve large models"
# What is promised of thresholds and of tests, and what share of broken maps is worth calling found.
PROMISED, ALPHA, FOUND = 0.95, 0.01, 0.8


def claims(result: dict[str, Any]) -> Iterator[Claim]:
    few = {(row["n"], row["method"]): row for row in result["few"]["summary"]}
    for n, name in ((20, "beta"), (50, "beta"), (1_000, "beta"), (20, "kde"), (1_000, "kde")):
        yield judged(
            f"large-{name}-{n}",
            f"A map of confidence ({name}) from {n:,} answers is better than none",
            WHERE,
            "Brier score less raw",
            few[n, name]["brier_less_raw"],
            -1,
            "models",
        )
    for move, found in result["transfer"]["summary"].items():
        yield judged(
            f"large-moves-{move.replace(',', '').replace(' ', '-')}",
            "A map that was fitted elsewhere is better than none",
            f"{WHERE}, {move}",
            "Brier score less raw",
            found["brier_less_raw"],
            -1,
            "models",
        )
    for row in result["promises"]["summary"]:
        if (row["n"], row["target"]) == (1_000, 0.3):
            kept = row["kept"]
            holds = HOLDS if kept["low"] >= PROMISED else UNTOLD
            holds = FAILS if kept["high"] < PROMISED else holds
            yield told(
                f"large-promise-{row['rule'].replace(',', '').replace(' ', '-')}",
                "What is answered is wrong no more often than promised, in 95 of 100 draws",
                f"{WHERE}, {row['rule']}, at most 30 % wrong",
                "share of draws that keep it",
                kept,
                holds,
                "models",
            )
    for test, found in result["drift"]["summary"].items():
        part = found["broken"]["found"]
        yield told(
            f"large-drift-{test}",
            f"A map that no longer holds on a new task is found by {test} in 3,000 answers",
            WHERE,
            f"share of streams; median delay {found['broken']['median_delay']:.0f}",
            part,
            HOLDS if part["low"] >= FOUND else UNTOLD,
            "models",
        )
    outcomes = result["drift"]["summary"]["outcomes"]["early"]
    yield told(
        "large-no-false-alarm",
        "A map from 1,000 answers gives alarm in at most 1 % of streams of its own task",
        WHERE,
        "share of streams with an alarm in 2,000 outcomes",
        outcomes,
        FAILS if outcomes["low"] > ALPHA else HOLDS,
        "models",
    )
