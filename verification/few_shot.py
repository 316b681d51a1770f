"""Cases of calibration from few questions: simulated, and on the demo pair's seven tasks.

The figures are those of studies/, made again; studies/README.md says what they mean.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from studies import demo_pair, demo_tasks, few_shot

from trueodds_service.core.calibrators.methods import Method
from verification.comparison import Result

QUESTIONS = 5

# 95 % ranges of T by teacher_kl that the simulation is to reproduce, for 5 and 20 questions, and
# the share of fits from 5 labels that end at a bound. The ends of a range vary by some hundredths
# with the seed.
EXPECTED_RANGES = {5: (2.31, 2.89), 20: (2.44, 2.70)}
RANGE_TOLERANCE = 0.1
EXPECTED_DEGENERATE = 0.095
DEGENERATE_TOLERANCE = 0.03

POOLED_ALIKE = "teacher_pooled, alike"
LABEL_FREE = (Method.TEACHER_KL.value, Method.AGREEMENT_KL.value)


def results() -> Iterator[Result]:
    """All cases: a minute or two, and some more where the demo pair has not been read yet."""
    yield from _simulated()
    yield from _demo()


def _simulated() -> Iterator[Result]:
    table = few_shot.table()
    rows = {(row["method"], row["n"]): row for row in table["rows"]}
    fits = table["fits"]
    for n, expected in EXPECTED_RANGES.items():
        found = rows["teacher_kl", n]["temperature"]
        ends = zip((found["low"], found["high"]), expected, strict=True)
        far = max(abs(one - other) for one, other in ends)
        name = f"range of T by teacher_kl, n = {n}"
        yield _difference(name, fits, far, RANGE_TOLERANCE)
    far = abs(rows["temperature", QUESTIONS]["degenerate"] - EXPECTED_DEGENERATE)
    yield _difference("degenerate fits from 5 labels", fits, far, DEGENERATE_TOLERANCE)
    for n in few_shot.SIZES:
        pooled, alone = (_width(rows[name, n]) for name in (POOLED_ALIKE, "teacher_kl"))
        yield _ratio(f"range of T, pooled, n = {n}", "teacher_kl", fits, pooled / alone)


def _width(row: dict[str, Any]) -> float:
    return float(row["temperature"]["high"] - row["temperature"]["low"])


def _demo() -> Iterator[Result]:
    if not demo_pair.DUMP.exists():
        demo_pair.write(demo_pair.DUMP, [demo_pair.DEMO_WAY])
    seven = demo_tasks.tasks(demo_pair.Dump())
    draws = demo_tasks.DRAWS
    size = demo_tasks.size(seven, QUESTIONS, draws)
    methods = size["methods"]
    for place, task in enumerate(seven):
        after, before = (
            methods[name]["by_task"][place]["ece"] for name in ("teacher_kl", "uncalibrated")
        )
        yield _ratio(f"ECE by teacher_kl, {task.name}", "uncalibrated", draws, after / before)
    for other in LABEL_FREE:
        difference = size["pooled_less"][other]["ece"]
        low, high = difference["over_draws"]
        ratio = methods["teacher_pooled"]["mean"]["ece"] / methods[other]["mean"]["ece"]
        told = [f"{1e4 * each:.1f}" for each in (difference["mean"], low, high)]
        note = "ECE × 10,000: {} ({} to {}), paired by draw".format(*told)
        yield replace(
            _ratio("mean ECE, pooled", other, draws, ratio), passed=bool(high < 0), note=note
        )


def _difference(name: str, n: int, found: float, tolerance: float) -> Result:
    passed = bool(found <= tolerance)
    return Result(name, "few-shot table", n, float(found), None, None, passed)


def _ratio(name: str, reference: str, n: int, ratio: float) -> Result:
    """A figure that has to be below the reference's."""
    return Result(name, reference, n, None, None, None, bool(ratio < 1), ratio=float(ratio))
