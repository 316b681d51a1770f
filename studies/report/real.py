"""Claims about Gemma 3 270M, what alignment makes of it, and SmolLM2-135M-Instruct, on MMLU."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from studies.intervals import over_groups, over_units
from studies.paper.posthoc import SIGNS
from studies.paper.schemes import REALISTIC, SCHEMES, TRAINED
from studies.report.claims import FAILS, HOLDS, UNTOLD, Claim, Interval, judged, told
from trueodds_service.core.metrics.rate_intervals import wilson_interval

BASE = "gemma"
NAMES = {
    BASE: "Gemma",
    "sft-format": "SFT-Format",
    "sft-choice": "SFT-Choice",
    "sft-mixed": "SFT-Mixed",
    "dpo-format": "DPO-Format",
    "dpo-choice": "DPO-Choice",
    "dpo-mixed": "DPO-Mixed",
    REALISTIC: "SFT, then DPO",
    "smollm2": "SmolLM2",
    "smollm2+chat": "SmolLM2 in conversations",
}
# Aligned as models are, and not so that one thing is told from another.
ALIGNED = ("smollm2", "smollm2+chat", REALISTIC)
# The schemes were trained in this format; Gemma after five shots is what they are held against.
WAYS = ("paren/0", "paren/5")
# Half of what five shots do to Gemma's ECE; fixed before the schemes were read.
NEAR = 0.03
FROM, MANY = 5, 50
# What may tell, and its name.
MEASURES = {"format_probability": "p(F | x)", "option_mass": "the option mass"}
# In intervals over fewer there is nothing to draw anew.
_LEAST_UNITS = 4

Cells = Mapping[tuple[str, str], Mapping[str, Any]]


def claims(result: dict[str, Any]) -> Iterator[Claim]:
    """All of them, by finding."""
    effects = result["effects"]
    yield from _pretrained(effects)
    yield from _aligned(effects)
    yield from schemes(effects)
    subjects = [row for row in result["subjects"] if row["n"] == FROM]
    yield from _repair(subjects, result["subject_draws"])
    yield from _pooling(subjects)
    yield from _methods(_cells(result["posthoc"], FROM))
    yield from _by_question(result["decomposition"])
    yield from _by_variant(result["table"], result["posthoc"])
    yield from _warnings("all of MMLU", result["signs"])
    yield from _warnings("a subject", result["subject_signs"])


def _pretrained(effects: dict[str, Any]) -> Iterator[Claim]:
    for way in ("letter", "paren"):
        yield judged(
            f"pretrained-icl-{way}",
            "Of a pre-trained model the ECE falls sharply from zero-shot to five shots",
            f"Gemma, {way}",
            "ECE after five shots less zero-shot",
            effects["shots"][f"gemma {way}"],
            -1,
            "questions",
        )
    yield judged(
        "paren-narrows",
        'Of a pre-trained model "(A)" narrows the gap between zero-shot and five shots',
        "Gemma",
        "gap of the ECE in letter less that in paren",
        effects["paren_narrows"],
        1,
        "questions",
    )
    for model, found in effects["irrelevant_shots"].items():
        yield judged(
            f"irrelevant-shots-{model}",
            "Five shots of another task lower the ECE, too (ours)",
            f"{NAMES[model]}, paren",
            "ECE after them less zero-shot",
            found,
            -1,
            "questions",
        )


def _aligned(effects: dict[str, Any]) -> Iterator[Claim]:
    for model, way, found in _of_models(effects["aligned_less_base"], ALIGNED):
        yield judged(
            f"aligned-worse-{model}-{way.replace('/', '-')}",
            "An aligned model has a higher ECE than a pre-trained one, zero-shot and five-shot",
            f"{NAMES[model]} beside Gemma, {_family(model)}, {way}",
            "ECE less Gemma's, asked alike",
            found,
            1,
            "questions",
        )
    for model, way, found in _of_models(effects["overconfidence"], ALIGNED):
        yield judged(
            f"overconfident-{model}-{way.replace('/', '-')}",
            "An aligned model is overconfident, with shots and without",
            f"{NAMES[model]}, {way}",
            "confidence less accuracy",
            found,
            1,
            "questions",
        )
    for model, way, found in _of_models(effects["shots"], ALIGNED):
        yield told(
            f"icl-does-not-repair-{model}-{way}",
            "Worked examples do not repair an aligned model",
            f"{NAMES[model]}, {way}",
            "ECE after five shots less zero-shot",
            found,
            FAILS if found["high"] < 0 else HOLDS,
            "questions",
        )


def schemes(effects: dict[str, Any]) -> Iterator[Claim]:
    """What the paper says of Format, and of Choice and Mixed."""
    near, sure = (effects[f"{name}_after_shots"] for name in ("aligned", "overconfidence"))
    for scheme, way, found in _of_models(near, ("sft-format", "dpo-format"), WAYS):
        yield told(
            f"scheme-{scheme}-{way.replace('/', '-')}",
            "Format schemes stay near the pre-trained calibration after five shots",
            f"{NAMES[scheme]}, {way}",
            f"ECE less Gemma's after five shots; near is {NEAR}",
            found,
            _within(found, NEAR),
            "questions",
        )
    others = [scheme for scheme in SCHEMES if not scheme.endswith("format")]
    for scheme, way, found in _of_models(sure, others, WAYS):
        yield judged(
            f"scheme-{scheme}-{way.replace('/', '-')}",
            "Choice and Mixed schemes become overconfident",
            f"{NAMES[scheme]}, {way}",
            "confidence less accuracy, less Gemma's after five shots",
            found,
            1,
            "questions",
        )
    for way in WAYS:
        yield judged(
            f"scheme-worst-{way.replace('/', '-')}",
            "DPO-Choice is the worst of the schemes",
            way,
            "its ECE less the highest of the five others'",
            effects["dpo_choice_above_all"][way],
            1,
            "questions",
        )


def _repair(rows: list[dict[str, Any]], draws: int) -> Iterator[Claim]:
    """By the teacher's temperature, of each subject and set by itself."""
    less: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        of_model = less.setdefault(row["model"], {})
        of_model.setdefault(row["way"], []).append(row["teacher_kl"] - row["identity"])
    for model, ways in less.items():
        for way, found in ways.items():
            yield judged(
                f"teacher-repairs-{model}-{way.replace('/', '-')}",
                "A temperature from five unlabelled questions and the pre-trained model repairs it",
                f"{NAMES[model]}, {way}, teacher of {_family(model)}",
                f"ECE after teacher_kl less raw, mean of {draws} draws",
                over_units(found),
                -1,
                "subjects",
            )
    for model, ways in less.items():
        each = np.array([value for found in ways.values() for value in found])
        share = float(np.mean(each < 0))
        low, high = wilson_interval(share, len(each))
        yield told(
            f"teacher-repairs-every-{model}",
            "It improves on every task",
            f"{NAMES[model]}, {' and '.join(ways)}",
            "share of subjects whose mean ECE falls",
            {"mean": share, "low": float(low), "high": float(high), "n": len(each)},
            HOLDS if share == 1 else FAILS,
            "subjects and ways",
        )


def _pooling(rows: list[dict[str, Any]]) -> Iterator[Claim]:
    """Pooling of the subjects, each by itself, drawn to what the others say."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        less = row["teacher_pooled"] - row["teacher_kl"]
        found.setdefault((row["model"], row["way"]), []).append(less)
    means = {key: float(np.mean(values)) for key, values in found.items()}
    for where, values, unit in _grouped(means):
        yield judged(
            _id(f"pooled {where.partition(',')[0]}"),
            "A task's temperature drawn to those of the model's other tasks: better (ours)",
            f"{where}; n = 5, each of 33 to 61 subjects by itself",
            "ECE with teacher_pooled less with teacher_kl",
            over_units(values),
            -1,
            unit,
        )


def _methods(cells: Cells) -> Iterator[Claim]:
    for name, other, finding, sign in (
        ("temperature", "teacher_kl", "Five labels serve a temperature worse than the teacher", 1),
        ("kde", "identity", "KDE from five labels can be worse than nothing", 1),
        ("constant", "teacher_kl", "A temperature for each task matters: 2.5 for all is worse", 1),
        ("agreement_kl", "teacher_kl", "Only questions on which both agree: better (DACA)", -1),
        (
            "base's score of the answer",
            "teacher_kl",
            "The base's own score of the answer serves as well or better (BaseCal)",
            -1,
        ),
        (
            "teacher_kl, teacher calibrated",
            "teacher_kl",
            "A teacher that is calibrated first by the same labels: better",
            -1,
        ),
        (
            "teacher_kl after PriDe",
            "teacher_kl",
            "The labels' prior divided out before the fit: better (PriDe)",
            -1,
        ),
    ):
        found = {
            key: methods[name] - methods[other] for key, methods in cells.items() if name in methods
        }
        for where, values, unit in _grouped(found):
            yield judged(
                _id(f"{name} {other} {where.partition(',')[0]}"),
                finding,
                f"{where}; n = 5",
                f"ECE with {name} less with {other}",
                over_units(values),
                sign,
                unit,
            )


def _by_question(rows: list[dict[str, Any]]) -> Iterator[Claim]:
    """Does p(F | x), or the option mass, tell which question a temperature can repair?"""
    for measure, name in MEASURES.items():
        found = {(r["model"], r["way"]): r[measure]["mean"] for r in rows if r[measure]}
        for where, values, unit in _grouped(found):
            yield judged(
                _id(f"{measure} tells questions {where.partition(',')[0]}"),
                f"Where {name} is low a temperature repairs less (ours)",
                where,
                f"ECE left where {name} is below its median less above",
                over_units(values),
                1,
                unit,
            )


def _by_variant(rows: list[dict[str, Any]], posthoc: list[dict[str, Any]]) -> Iterator[Claim]:
    """Does it tell which variant, asked in which way?"""
    left = _ranks({key: cell["teacher_kl"] for key, cell in _cells(posthoc, MANY).items()})
    for measure, name in MEASURES.items():
        said = {(r["model"], r["way"]): r[measure] for r in rows if r["task"] == "mmlu"}
        place = _ranks(said)
        of_models = [
            np.array([(place[key], left[key]) for key in left if key[0] == model])
            for model in TRAINED
        ]
        yield judged(
            _id(f"{measure} tells variants"),
            f"A variant that is asked so that {name} is low is repaired less (ours)",
            "Gemma's variants, four ways to ask",
            f"rank correlation of {name} and the ECE left from {MANY} questions",
            over_groups(of_models, lambda ranks: float(np.corrcoef(ranks.T)[0, 1])),
            -1,
            "models",
        )


def _warnings(where: str, signs: dict[str, Any]) -> Iterator[Claim]:
    """Where no fit harmed, or all did, there is nothing to warn of."""
    for sign in SIGNS:
        if sign in signs:
            ranks = signs[sign]["auroc"]
            yield judged(
                _id(f"warns {sign} {where}"),
                "A label-free sign tells a teacher's fit that harms from one that does not (ours)",
                f"{sign}; {signs['harmful']:.1%} of {signs['fits']:,} fits on {where} harm; of the "
                f"tenth that it warns of {signs[sign]['right_of_warnings']:.1%} do",
                "area under the ROC curve, less a half",
                {k: v if k == "n" else v - 0.5 for k, v in ranks.items()},
                1,
                "models",
            )


def _of_models(
    found: Mapping[str, Interval], models: Collection[str], ways: Collection[str] = ()
) -> Iterator[tuple[str, str, Interval]]:
    """Model, way and effect, of some."""
    for key, each in found.items():
        model, way = key.split(" ")
        if model in models and (not ways or way in ways):
            yield model, way, each


def _cells(rows: list[dict[str, Any]], n: int) -> Cells:
    """ECE by method from n questions, of each model and way."""
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["n"] == n:
            cells.setdefault((row["model"], row["way"]), {})[row["method"]] = row["ece"]
    return cells


def _grouped(found: Mapping[tuple[str, str], float]) -> Iterator[tuple[str, list[float], str]]:
    """Groups of a value for each model and way: Gemma's seven, each its ways' mean, and SmolLM2."""
    of_model = {m: [v for (model, _), v in found.items() if model == m] for m in TRAINED}
    ours = [float(np.mean(values)) for values in of_model.values() if values]
    others = [value for (model, _), value in found.items() if model not in TRAINED]
    if len(ours) >= _LEAST_UNITS:
        yield "Gemma's variants, teacher of their own family", ours, "models"
    if len(others) >= _LEAST_UNITS:
        yield "SmolLM2, plain and in conversations, teacher of another", others, "ways to ask"


def _within(found: Interval, margin: float) -> str:
    """Whether a claim holds that an effect is next to none."""
    low, high = found["low"], found["high"]
    if -margin < low and high < margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else UNTOLD


def _ranks(values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], int]:
    """The ranks of the variants alone."""
    values = {key: value for key, value in values.items() if key[0] in TRAINED}
    return {key: rank for rank, key in enumerate(sorted(values, key=lambda key: values[key]))}


def _family(model: str) -> str:
    return "its own family" if model in TRAINED else "another family"


def _id(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.replace("'", "")).split())
