"""What `python -m studies.paren_options` read, compared on the same questions.

`python -m studies.paren_compare` writes `studies/results/paren_options.json` and prints its tables:
each format's measures, and what another format has more of than `paren`, with 95 % intervals from
questions drawn anew. Calibrated: `teacher_kl` from 5 unlabelled questions a task, the teacher asked
in the same format after five shots, the mean of 20 draws.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.measures import resampled_errors
from studies.paren_options import FOLDER, SHOTS, WAYS, cell
from studies.results import RESULTS, save
from trueodds_service.core.arrays.distributions import answer_distribution
from trueodds_service.core.calibrators.methods import Method
from trueodds_service.core.fitting.data import FitData
from trueodds_service.core.fitting.fit import fit
from trueodds_service.core.metrics.bin_edges import DEFAULT_BINS
from trueodds_service.core.metrics.rate_intervals import wilson_interval

# A task's first questions are drawn from to fit, all others are measured on.
POOL = 20
DRAWS, FITTED_ON = 20, 5
RESAMPLES = 1_000
TEACHERS = {"demo-aligned": "demo-base", "smollm2": "gemma", "smollm2+chat": "gemma"}
DEFAULT = WAYS[0]
MEASURES = ("accuracy", "ece", "nll", "format", "calibrated_ece", "calibrated_nll")

Floats = NDArray[np.float64]
Arrays = dict[str, Floats]


@dataclass(frozen=True)
class Answers:
    """One way's answers to all tasks' m questions.

    ``right``, ``confidence``, ``nll``, ``format`` and ``mass`` (the labels' share of what follows
    the identifier) are (m,); ``calibrated`` holds confidence and NLL of each draw's calibrators.
    """

    right: Floats
    confidence: Floats
    nll: Floats
    format: Floats
    mass: Floats
    calibrated: tuple[tuple[Floats, Floats], ...] = ()


def answers(asked: Arrays, teacher: Arrays | None) -> Answers:
    """The answers of one file, without each task's pool."""
    tasks = sorted(name.removesuffix("/labels") for name in asked if name.endswith("/labels"))
    parts = [_of_task(asked, teacher, task) for task in tasks]

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(each, name) for each in parts])

    calibrated = tuple(
        (np.concatenate([c for c, _ in draw]), np.concatenate([n for _, n in draw]))
        for draw in zip(*(each.calibrated for each in parts), strict=True)
    )
    names = ("right", "confidence", "nll", "format", "mass")
    return Answers(**{name: joined(name) for name in names}, calibrated=calibrated)


def _of_task(asked: Arrays, teacher: Arrays | None, task: str) -> Answers:
    logprobs, labels = asked[f"{task}/logprobs"], asked[f"{task}/labels"].astype(np.intp)
    probs = answer_distribution(logprobs[POOL:])
    right = (probs.argmax(axis=1) == labels[POOL:]).astype(np.float64)
    calibrated = []
    if teacher is not None:
        data = FitData(logprobs[:POOL], teacher_logprobs=teacher[f"{task}/logprobs"][:POOL])
        rng = np.random.default_rng(0)
        for _ in range(DRAWS):
            found = fit(Method.TEACHER_KL, data.take(rng.choice(POOL, FITTED_ON, replace=False)))
            applied = found.calibrator.apply(logprobs[POOL:])
            calibrated.append((applied.max(axis=1), _nll(applied, labels[POOL:])))
    return Answers(
        right,
        probs.max(axis=1),
        _nll(probs, labels[POOL:]),
        asked[f"{task}/format"][POOL:],
        np.exp(logprobs[POOL:]).sum(axis=1),
        tuple(calibrated),
    )


def _nll(probs: Floats, labels: NDArray[np.intp]) -> Floats:
    losses: Floats = -np.log(np.maximum(probs[np.arange(len(probs)), labels], 1e-38))
    return losses


def _gaps(confidence: Floats, right: Floats) -> Floats:
    """Confidence less right, in the column of the question's bin, (m, bins)."""
    place = np.clip(np.ceil(confidence * DEFAULT_BINS) - 1, 0, DEFAULT_BINS - 1)
    gaps: Floats = (place[:, None] == np.arange(DEFAULT_BINS)) * (confidence - right)[:, None]
    return gaps


def measured(found: Answers, counts: Floats) -> dict[str, Floats]:
    """Measures, (resamples,), where question i is met ``counts[r, i]`` times in resample r."""
    total = counts.sum(axis=1)
    means = {"accuracy": found.right, "nll": found.nll, "format": found.format}
    result: dict[str, Floats] = {name: counts @ each / total for name, each in means.items()}
    result["ece"] = resampled_errors([_gaps(found.confidence, found.right)], counts)[:, 0]
    if found.calibrated:
        gaps = [_gaps(confidence, found.right) for confidence, _ in found.calibrated]
        result["calibrated_ece"] = resampled_errors(gaps, counts).mean(axis=1)
        loss = np.mean([losses for _, losses in found.calibrated], axis=0)
        result["calibrated_nll"] = counts @ loss / total
    return result


def compare(folder: Path, models: list[str]) -> Iterator[dict[str, Any]]:
    """A row for each model, number of shots and format; the default's comes first."""
    for model in models:
        for count in (0, SHOTS):
            drawn: dict[str, Floats] = {}
            first: dict[str, Any] = {}
            for way in WAYS:
                found = answers(
                    _load(folder / cell(model, way, count)),
                    _teacher(folder, TEACHERS.get(model), way),
                )
                items = len(found.right)
                rng = np.random.default_rng(0)  # the same questions for every format
                counts = rng.multinomial(items, np.full(items, 1 / items), RESAMPLES)
                now = measured(found, np.ones((1, items)))
                anew = measured(found, counts.astype(np.float64))
                row: dict[str, Any] = {
                    "model": model,
                    "shots": count,
                    "format_name": way,
                    "n": items,
                }
                row |= {name: float(each[0]) for name, each in now.items()}
                row["accuracy_95"] = _wilson(found.right)
                row["confidence"] = float(found.confidence.mean())
                row["mass"] = float(found.mass.mean())
                if way == DEFAULT:
                    drawn, first = anew, row
                else:
                    row["more"] = {
                        name: [row[name] - first[name], *_middle(anew[name] - drawn[name])]
                        for name in MEASURES
                        if name in anew
                    }
                yield row


def _load(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return dict(arrays)


def _teacher(folder: Path, name: str | None, way: str) -> Arrays | None:
    path = folder / cell(name or "", way, SHOTS)
    return _load(path) if name and path.exists() else None


def _wilson(right: Floats) -> list[float]:
    found = wilson_interval(right.mean(), len(right))
    return [float(each) for each in found]


def _middle(values: Floats) -> list[float]:
    return [float(each) for each in np.quantile(values, [0.025, 0.975])]


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Both tables of the page, in Markdown."""
    head = "model | shots | format | n | accuracy, 95 % | confidence | ECE | NLL | p(F \\| x)"
    yield f"| {head} | option mass | ECE, calibrated | NLL, calibrated |"
    yield "| --- " * 12 + "|"
    for row in rows:
        low, high = row["accuracy_95"]
        cells = [row["model"], str(row["shots"]), f"`{row['format_name']}`", str(row["n"])]
        cells.append(f"{row['accuracy']:.3f} ({low:.3f} to {high:.3f})")
        told = ("confidence", "ece", "nll", "format", "mass", "calibrated_ece", "calibrated_nll")
        cells += [f"{row[each]:.3f}" if each in row else "" for each in told]
        yield f"| {' | '.join(cells)} |"
    yield ""
    names = "accuracy | ECE | NLL | p(F \\| x) | ECE, calibrated | NLL, calibrated"
    yield f"| model | shots | `{DEFAULT}` to | {names} |"
    yield "| --- " * 9 + "|"
    for row in rows:
        if more := row.get("more"):
            spans = [_span(more[each]) if each in more else "" for each in MEASURES]
            cells = [row["model"], str(row["shots"]), f"`{row['format_name']}`", *spans]
            yield f"| {' | '.join(cells)} |"


def _span(values: list[float]) -> str:
    middle, low, high = (f"{value:+.3f}".replace("-", "−") for value in values)
    return f"{middle} ({low} to {high})"


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.paren_compare", description=__doc__)
    parser.add_argument("models", nargs="+", help='names of folders, "+chat" behind them')
    parser.add_argument("--read", type=Path, default=FOLDER, help=f"not {FOLDER}")
    parser.add_argument("--output", type=Path, default=RESULTS / "paren_options.json")
    given = parser.parse_args()
    rows = list(compare(given.read, given.models))
    save({"rows": rows}, given.output)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
