"""The tables of studies/README.md, from the committed results: `python -m studies.tables`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from studies.results import load

LABEL_FREE = ("teacher_kl", "agreement_kl", "teacher_pooled")


def few_shot() -> Iterator[str]:
    """Every method at every size."""
    rows = load("few_shot")["rows"]
    cells = []
    for row in rows:
        range_ = row.get("temperature")
        span = "" if range_ is None else f"{range_['low']:.2f} to {range_['high']:.2f}"
        numbers = [f"{row[each]:.4f}" for each in ("ece", "odds_ece", "worst_ece", "nll")]
        cells.append((row["n"], row["method"], span, f"{row['degenerate']:.1%}", *numbers))
    head = ("n", "method", "T, 95 %", "degenerate", "ECE", "against odds", "97.5 %", "NLL")
    return _table(head, cells)


def demo() -> Iterator[str]:
    """Means over the demo's tasks."""
    sizes = load("demo_tasks")["sizes"]
    measures = ("ece", "odds_ece", "nll")
    cells = [
        (
            name,
            *(
                f"{size['methods'][name]['mean'][each]:.4f}"
                for size in sizes.values()
                for each in measures
            ),
        )
        for name in sizes["5"]["methods"]
    ]
    names = ("ECE", "odds", "NLL")
    return _table(("method", *(f"{name}, n = {n}" for n in sizes for name in names)), cells)


def paired() -> Iterator[str]:
    """What pooling changes, with both intervals."""
    cells = []
    for n, size in load("demo_tasks")["sizes"].items():
        for other in LABEL_FREE[:2]:
            for measure, name in (("ece", "labels"), ("odds_ece", "odds")):
                found = size["pooled_less"][other][measure]
                spans = [_span(found[each]) for each in ("over_draws", "over_both")]
                cells.append((n, other, name, _tens(found["mean"]), *spans))
    head = ("n", "less", "ECE against", "difference", "over draws", "over draws and questions")
    return _table(head, cells)


def by_task() -> Iterator[str]:
    """ECE of each task at five questions."""
    result = load("demo_tasks")
    methods = result["sizes"]["5"]["methods"]
    cells = [
        (
            task,
            *(f"{found['by_task'][place]['ece']:.3f}" for found in methods.values()),
            f"{bounds['best_ece']:.3f}",
            f"{bounds['null_ece']:.3f}",
        )
        for place, (task, bounds) in enumerate(result["tasks"].items())
    ]
    return _table(("task", *methods, "best T", "null"), cells)


def safety() -> Iterator[str]:
    """Every scenario."""
    cells = []
    for name, sizes in load("safety")["scenarios"].items():
        for n, found in sizes.items():
            cells.append((name, n, *(cell for each in LABEL_FREE for cell in _safe(found, each))))
    head = (
        "temperatures",
        "n",
        "teacher_kl",
        "agreement_kl: less",
        "worst",
        "teacher_pooled: less",
    )
    return _table((*head, "worst"), cells)


def _safe(found: dict[str, Any], method: str) -> tuple[str, ...]:
    each = found[method]
    if method == "teacher_kl":
        return (f"{each['odds_ece']:.4f}",)
    return (
        f"{_tens(each['less_teacher_kl'])} ({_span(each['over_draws'])})",
        _tens(each["worst_task"]),
    )


def ablations() -> Iterator[str]:
    """Every variant."""
    sizes = load("ablations")["sizes"]
    cells = []
    for name in sizes["5"]:
        if name == "teacher_kl":
            continue
        found = [size[name][each] for size in sizes.values() for each in ("ece", "odds_ece")]
        told = [f"{_tens(each['less_teacher_kl'])} ({_span(each['over_draws'])})" for each in found]
        cells.append((name, *told))
    head = [f"{name}, n = {n}" for n in sizes for name in ("labels", "odds")]
    return _table(("variant", *head), cells)


def option_counts() -> Iterator[str]:
    """Means of every method in both ways of asking, and what each differs from the service's."""
    cells = []
    for way, found in load("option_counts")["ways"].items():
        for name, method in found["methods"].items():
            means = (f"{method['mean'][each]:.4f}" for each in _OPTION_MEASURES)
            less = method["less"].get("teacher_pooled")
            told = [
                f"{_tens(less[each]['mean'])} ({_span(less[each]['over_draws'])})" if less else ""
                for each in _OPTION_MEASURES
            ]
            cells.append((way, name, *means, *told))
    head = ("asked as", "method", "ECE", "NLL", "KL", "ECE: less teacher_pooled", "NLL", "KL")
    return _table(head, cells)


def option_lines() -> Iterator[str]:
    """The error of log T in simulated worlds."""
    rows = load("option_counts")["simulated"]
    methods = list(rows[0]["error"])
    cells = [
        (
            f"{row['slope']:+.1f}".replace("-", "−"),
            row["scatter"],
            *(f"{row['error'][name]:.3f}" for name in methods),
        )
        for row in rows
    ]
    return _table(("slope in ln n", "scatter", *methods), cells)


_OPTION_MEASURES = ("ece", "nll", "divergence")


def formats() -> Iterator[str]:
    """Means over the tasks, for each model and way of asking."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in load("formats")["rows"]:
        groups.setdefault((row["model"], row["format"], row["shots"]), []).append(row)
    measures = ("accuracy", "confidence", "ece", "null_ece", "format_probability")
    cells = [
        (*key, *(f"{sum(row[each] for row in rows) / len(rows):.3f}" for each in measures))
        for key, rows in groups.items()
    ]
    head = ("model", "format", "shots", "accuracy", "confidence", "ECE", "null ECE", "p(format)")
    return _table(head, cells)


def cascade_rules() -> Iterator[str]:
    """Means over the pairs of large models' claims, and over the demo's tasks."""
    return _cascades(lambda row: row["rule"].endswith(_RISK_RULES) and row["target"] in _TARGETS)


def cascade_costs() -> Iterator[str]:
    """The same of what bounds the cost, or keeps the accuracy; and of the real pair."""
    return _cascades(
        lambda row: not row["rule"].endswith(_RISK_RULES) and row["target"] in _BOUNDS,
        with_real=True,
    )


def _cascades(
    is_shown: Callable[[dict[str, Any]], bool], *, with_real: bool = False
) -> Iterator[str]:
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for row in filter(is_shown, load("cascade")["rows"]):
        pairs = _TOGETHER if row["task"] == _ALL_TASKS else row["data"]
        if pairs != "real" or with_real:
            groups.setdefault((pairs, row["target"], row["rule"]), []).append(row)
    places = [pairs for pairs, *_ in groups]
    cells = []
    ordered = sorted(groups.items(), key=lambda each: (places.index(each[0][0]), each[0][1]))
    for key, rows in ordered:
        means = {each: sum(row[each] for row in rows) / len(rows) for each in _SHARES}
        gained = [row["accuracy"] for row in rows]
        won = sum(each["mean"] for each in gained) / len(rows)
        # By intervals that hold zero.
        equal = sum(each["low"] <= 0 <= each["high"] for each in gained)
        least = min(row["kept"] for row in rows)
        shares = (f"{means[each]:.0%}" for each in _SHARES)
        told = (_signed(won), f"{equal} of {len(rows)}")
        cells.append((*key, next(shares), f"{least:.0%}", *shares, *told))
    head = ("pairs", "target", "rule", "kept", "least kept", "answered", "wrong", "cost")
    return _table((*head, "accuracy less", "equal"), cells)


def cascade_pairs() -> Iterator[str]:
    """The large models' pairs of which the first answers a twentieth or more with a promise."""
    found = load("cascade")
    worlds = {(each["task"], each["first"]): each for each in found["worlds"]}
    cells = []
    for row in found["rows"]:
        world = worlds[row["task"], row["first"]]
        if (row["data"], row["rule"]) != ("claims", _PROMISED) or row["answered"] < _ANSWERS:
            continue
        accuracies = (f"{world[each]:.3f}" for each in ("first_accuracy", "last_accuracy"))
        gained = row["accuracy"]
        span = f"{_signed(gained['low'])} to {_signed(gained['high'])}"
        pair = (row["task"], f"{row['first']}, {row['last']}", *accuracies, f"{world['cost']:.2f}")
        shares = (f"{row[each]:.0%}" for each in _SHARES)
        cells.append((*pair, row["target"], *shares, f"{_signed(gained['mean'])} ({span})"))
    head = ("task", "first, last", "first right", "last right", "c", "target", "kept", "answered")
    return _table((*head, "wrong", "cost", "accuracy less"), cells)


_TARGETS = (0.1, 0.2, 0.3)
_BOUNDS = (0.01, 0.3, 0.5)
_RISK_RULES = ("at its word", "with a promise")
_ALL_TASKS, _TOGETHER = "all seven", "demo, together"
_SHARES = ("kept", "answered", "risk", "cost")
_PROMISED = "calibrated, threshold with a promise"
_ANSWERS = 0.05


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for line in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(map(str, line)) + " |"


def _tens(value: float) -> str:
    """A difference × 10,000, with a true minus."""
    tens = round(1e4 * value, 1)
    return f"{tens:+.1f}".replace("-", "−") if tens else "0"


def _span(ends: Sequence[float]) -> str:
    return " to ".join(map(_tens, ends))


def main() -> None:
    """Prints them all."""
    pages = (
        few_shot,
        by_task,
        demo,
        paired,
        safety,
        ablations,
        formats,
        option_counts,
        option_lines,
    )
    for each in (*pages, cascade_rules, cascade_costs, cascade_pairs):
        print(f"{each.__name__}:", *each(), "", sep="\n")


if __name__ == "__main__":
    main()
