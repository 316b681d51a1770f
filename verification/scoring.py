"""Every number that the service answers with, compared with transformers and with lm-eval."""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

import torch
from rich.console import Console
from rich.table import Table

from trueodds import Client, Question
from trueodds_demo.service import BASE, running
from trueodds_demo.world.documents import documents
from verification import cases, compare, models, orders, tokens
from verification.comparison import Comparison, Result
from verification.fuzz import fuzz
from verification.fuzz.calls import METHODS
from verification.harness import Harness, Item, agieval, sentence_endings
from verification.record import Record
from verification.reference import Reference
from verification.repeatability import repeatability

AGIEVAL = Path(__file__).parents[2] / "shared" / "data" / "agieval"
SETS = ("logiqa-en", "aqua-rat", "sat-math", "lsat-lr")
TRANSFORMERS = "transformers"
LM_EVAL = "lm-eval, hf"
FUZZ = "malformed requests"

console = Console(highlight=False)

Sets = dict[str, list[Item]]
Case = tuple[str, str, Callable[[Client], Comparison]]
"""A case's name, its reference's, and what compares the two."""


def main() -> int:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m verification.scoring", description=__doc__)
    add = parser.add_argument
    add("--agieval", type=Path, default=os.environ.get("AGIEVAL", AGIEVAL), help="its four sets")
    add("--only", default="", help="only the cases whose name or reference holds this")
    add("--requests", type=int, default=4_000, help="of the fuzzer")
    add("--output", type=Path, default=Path("build/verify/scoring.json"))
    options = parser.parse_args()
    # One on a small machine, where threads would wait for each other behind the engines'.
    torch.set_num_threads(max((os.cpu_count() or 2) // 2, 1))
    started = time.perf_counter()
    record = Record(options.output, keep=bool(options.only))
    results = []
    for result in _results(_sets(options.agieval), options.only, options.requests):
        results.append(result)
        record.add(result)
        console.print(f"{time.perf_counter() - started:6.0f} s  {result.name}: {_state(result)}")
    console.print(_table(results))
    console.print(f"written to {options.output}")
    return 0 if all(result.passed for result in results) else 1


def _results(sets: Sets, only: str, requests: int) -> Iterator[Result]:
    corpus = list(islice(documents(Random(5)), 1500))
    corpus += [item.context for items in sets.values() for item in items]
    if only in "tokenizers":
        yield from tokens.families(corpus, _real(sets))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = models.build(folder, corpus)
        wanted = [case for case in _cases(served, sets) if only in case[0] or only in case[1]]
        fuzzed = only in FUZZ
        if not (wanted or fuzzed):
            return
        console.print("starting the service …")
        address = stack.enter_context(running(models.config(folder, served)))
        client = stack.enter_context(Client(address, timeout=600))
        client.wait_until_ready()
        for name, reference, measure in wanted:
            yield measure(client).result(name, reference)
        if fuzzed:
            yield _fuzzed(address, requests)


def _cases(served: dict[str, models.Served], sets: Sets) -> Iterator[Case]:
    references = {name: Reference(each.weights, each.adapter) for name, each in served.items()}
    for name, parts in cases.all_cases(references).items():
        yield name, TRANSFORMERS, partial(compare.options, references=references, parts=parts)
    yield "cyclic orders", TRANSFORMERS, partial(orders.cyclic, references=references)
    yield "PriDe", TRANSFORMERS, partial(orders.pride, references=references)
    yield "repeatability", "itself, one at a time", repeatability
    on_demo = Harness(served[BASE].weights)
    endings = sentence_endings(200)
    yield "sentence endings", LM_EVAL, partial(on_demo.compare, model=BASE, items=endings)
    if sets:
        on_random = Harness(served[models.CHATML].weights)
        metrics = ("acc", "acc_norm", "acc_mutual_info")
        for name, items in sets.items():
            compared = partial(on_random.compare, model=models.CHATML, items=items, metrics=metrics)
            yield f"agieval {name}", LM_EVAL, compared


def _fuzzed(address: str, requests: int) -> Result:
    """Requests of every kind, good and spoiled; the difference is that of a plain question."""
    report = fuzz(address, requests)
    if report.broken:
        console.print(str(report))
    codes = Counter[str]()
    for (method, code), count in report.endings.items():
        if method in METHODS:
            codes[code] += count
    return Result(
        name=FUZZ,
        reference="the contract",
        n=report.requests,
        max_abs_diff=report.drift,
        at=None,
        choice_agreement=None,
        passed=not report.broken,
        note=", ".join(f"{count:,} {code}" for code, count in codes.most_common()),
    )


def _sets(folder: Path) -> Sets:
    """The sets of AGIEval; none where their folder is missing."""
    if not folder.is_dir():
        console.print(f"AGIEval is not at {folder}: its cases are left out (see --agieval)")
        return {}
    return {name: agieval(folder / f"{name}.jsonl") for name in SETS}


def _real(sets: Sets) -> list[Question]:
    """Questions of exams, with their marks and formulas, for the tokenizers."""
    return [Question(item.context, item.choices) for items in sets.values() for item in items[:40]]


def _state(result: Result) -> str:
    return "ok" if result.passed else "[red]out of tolerance[/]"


def _table(results: Sequence[Result]) -> Table:
    title = f"{sum(each.n for each in results):,} questions"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("n", "difference", "at", "agreement"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    against = ""
    for each in results:
        if each.reference != against:
            against = each.reference
            table.add_section()
            table.add_row(f"[bold]against {against}[/]")
        diff = "" if each.max_abs_diff is None else f"{each.max_abs_diff:.1e}"
        at = "" if each.at is None else f"{each.at:.1f}"
        agreed = "" if each.choice_agreement is None else f"{each.choice_agreement:.2%}"
        table.add_row(each.name, f"{each.n:,}", diff, at, agreed, each.note or _state(each))
    return table


if __name__ == "__main__":
    sys.exit(main())
