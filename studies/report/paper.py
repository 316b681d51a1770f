"""The paper's claims, wherever they are looked at: real models, or the demo's world."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.intervals import over_groups, over_units
from studies.paper.comparisons import ASKED
from studies.paper.posthoc import SIGNS
from studies.paper.schemes import SCHEMES
from studies.report.claims import FAILS, HOLDS, UNTOLD, Claim, Interval, judged, told
from trueodds_service.core.metrics.rate_intervals import wilson_interval

# The schemes were trained in this format; the base after five shots is what they are held against.
WAYS = ("paren/0", "paren/5")
# Half of what five shots do to Gemma's ECE; fixed before the schemes were read.
NEAR = 0.03
FROM, MANY = 5, 50
# What may tell, and its name.
MEASURES = {"format_probability": "p(F | x)", "option_mass": "the option mass"}
# In intervals over fewer there is nothing to draw anew.
_LEAST_UNITS = 4
SCHEME_NAMES = {
    "sft-format": "SFT-Format",
    "sft-choice": "SFT-Choice",
    "sft-mixed": "SFT-Mixed",
    "dpo-format": "DPO-Format",
    "dpo-choice": "DPO-Choice",
    "dpo-mixed": "DPO-Mixed",
    "sft-then-dpo": "SFT, then DPO",
}

# ECE by method, of each model and way.
Cells = Mapping[tuple[str, str], Mapping[str, float]]
# A value of each model and way.
Values = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Place:
    """Where claims are looked at.

    ``aligned`` are aligned as models are, and not so that one thing is told from another;
    ``strangers`` are of another family than the base. ``variants`` and ``others`` name all that
    is aligned of the base's family, and the strangers.
    """

    prefix: str
    names: Mapping[str, str]
    base: str
    pretrained: Sequence[str]
    aligned: Sequence[str]
    variants: str
    strangers: Sequence[str] = ()
    others: str = ""

    def family(self, model: str) -> str:
        return "another family" if model in self.strangers else "its own family"

    def id(self, text: str) -> str:
        """A claim's id, made of words."""
        kept = (c if c.isalnum() else " " for c in text.replace("'", ""))
        return self.prefix + "-".join("".join(kept).split())


def pretrained(place: Place, effects: Mapping[str, Any]) -> Iterator[Claim]:
    """What worked examples do to pre-trained models."""
    for model in place.pretrained:
        own = "" if model == place.base else f"{model}-"
        for way in ("letter", "paren"):
            yield judged(
                f"{place.prefix}pretrained-icl-{own}{way}",
                "Of a pre-trained model the ECE falls sharply from zero-shot to five shots",
                f"{place.names[model]}, {way}",
                "ECE after five shots less zero-shot",
                effects["shots"][f"{model} {way}"],
                -1,
                "questions",
            )
    yield judged(
        f"{place.prefix}paren-narrows",
        'Of a pre-trained model "(A)" narrows the gap between zero-shot and five shots',
        place.names[place.base],
        "gap of the ECE in letter less that in paren",
        effects["paren_narrows"],
        1,
        "questions",
    )
    for model, found in effects["irrelevant_shots"].items():
        yield judged(
            f"{place.prefix}irrelevant-shots-{model}",
            "Five shots of another task lower the ECE, too (ours)",
            f"{place.names[model]}, paren",
            "ECE after them less zero-shot",
            found,
            -1,
            "questions",
        )


def decomposition(place: Place, result: Mapping[str, Any], task: str) -> Iterator[Claim]:
    """Equation 2 and assumption 4.1: the format's uncertainty, and what is left without it."""
    for model, way, found in of_models(result["effects"]["format_left_in"], place.pretrained):
        if way.endswith("/0"):
            yield judged(
                place.id(f"format left in {model} {way}"),
                "Left in, the format's uncertainty makes a pre-trained ECE higher (Eq. 2)",
                f"{place.names[model]}, {way}",
                "ECE of p(label | x, F) · p(F | x) less that of p(label | x, F)",
                found,
                1,
                "questions",
            )
    for row in result["table"]:
        if row["model"] in place.pretrained and row["task"] == task and row["way"] in ASKED:
            ece = _basic(row["ece"])
            yield told(
                place.id(f"calibrated without format {row['model']} {row['way']}"),
                "With the format apart a pre-trained model is calibrated (assumption 4.1)",
                f"{place.names[row['model']]}, {row['way']}",
                f"ECE of p(label | x, F); near 0 is {NEAR}",
                ece,
                within(ece, NEAR),
                "questions",
            )


def aligned(place: Place, effects: Mapping[str, Any]) -> Iterator[Claim]:
    """What alignment does, and what worked examples do not."""
    for model, way, found in of_models(effects["aligned_less_base"], place.aligned):
        base = place.names[place.base]
        yield judged(
            f"{place.prefix}aligned-worse-{model}-{way.replace('/', '-')}",
            "An aligned model has a higher ECE than a pre-trained one, zero-shot and five-shot",
            f"{place.names[model]} beside {base}, {place.family(model)}, {way}",
            f"ECE less {base}'s, asked alike",
            found,
            1,
            "questions",
        )
    for model, way, found in of_models(effects["overconfidence"], place.aligned):
        yield judged(
            f"{place.prefix}overconfident-{model}-{way.replace('/', '-')}",
            "An aligned model is overconfident, with shots and without",
            f"{place.names[model]}, {way}",
            "confidence less accuracy",
            found,
            1,
            "questions",
        )
    for model, way, found in of_models(effects["shots"], place.aligned):
        yield told(
            f"{place.prefix}icl-does-not-repair-{model}-{way}",
            "Worked examples do not repair an aligned model",
            f"{place.names[model]}, {way}",
            "ECE after five shots less zero-shot",
            found,
            FAILS if found["high"] < 0 else HOLDS,
            "questions",
        )


def schemes(place: Place, effects: Mapping[str, Any]) -> Iterator[Claim]:
    """What the paper says of Format, and of Choice and Mixed."""
    base = place.names[place.base]
    near, sure = (effects[f"{name}_after_shots"] for name in ("aligned", "overconfidence"))
    for scheme, way, found in of_models(near, ("sft-format", "dpo-format"), WAYS):
        yield told(
            f"{place.prefix}scheme-{scheme}-{way.replace('/', '-')}",
            "Format schemes stay near the pre-trained calibration after five shots",
            f"{place.names[scheme]}, {way}",
            f"ECE less {base}'s after five shots; near is {NEAR}",
            found,
            within(found, NEAR),
            "questions",
        )
    others = [scheme for scheme in SCHEMES if not scheme.endswith("format")]
    for scheme, way, found in of_models(sure, others, WAYS):
        yield judged(
            f"{place.prefix}scheme-{scheme}-{way.replace('/', '-')}",
            "Choice and Mixed schemes become overconfident",
            f"{place.names[scheme]}, {way}",
            f"confidence less accuracy, less {base}'s after five shots",
            found,
            1,
            "questions",
        )
    for way in WAYS:
        yield judged(
            f"{place.prefix}scheme-worst-{way.replace('/', '-')}",
            "DPO-Choice is the worst of the schemes",
            f"{place.variants.partition(',')[0]}, {way}",
            "its ECE less the highest of the five others'",
            effects["dpo_choice_above_all"][way],
            1,
            "questions",
        )


def repair(
    place: Place, less: Mapping[tuple[str, str], Sequence[float]], draws: int, unit: str
) -> Iterator[Claim]:
    """By the teacher's temperature: what it takes off the ECE of each subject or task by itself."""
    by_model: dict[str, list[float]] = {}
    for (model, way), found in less.items():
        by_model.setdefault(model, []).extend(found)
        yield judged(
            f"{place.prefix}teacher-repairs-{model}-{way.replace('/', '-')}",
            "A temperature from five unlabelled questions and the pre-trained model repairs it",
            f"{place.names[model]}, {way}, teacher of {place.family(model)}",
            f"ECE after teacher_kl less raw, mean of {draws} draws",
            over_units(found),
            -1,
            unit,
        )
    for model, values in by_model.items():
        share = float(np.mean(np.array(values) < 0))
        low, high = wilson_interval(share, len(values))
        yield told(
            f"{place.prefix}teacher-repairs-every-{model}",
            "It improves on every task",
            f"{place.names[model]}, {' and '.join(way for name, way in less if name == model)}",
            f"share of {unit} whose mean ECE falls",
            {"mean": share, "low": float(low), "high": float(high), "n": len(values)},
            HOLDS if share == 1 else FAILS,
            f"{unit} and ways",
        )


def methods(place: Place, cells: Cells, n: int) -> Iterator[Claim]:
    """Methods beside each other, from n questions."""
    number = {5: "five", 10: "ten", 20: "twenty", 50: "fifty"}[n]
    own = "" if n == FROM else f" {n}"
    for name, other, finding, sign in (
        (
            "temperature",
            "teacher_kl",
            f"{number.capitalize()} labels serve a temperature worse than the teacher",
            1,
        ),
        ("kde", "identity", f"KDE from {number} labels can be worse than nothing", 1),
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
        found = {key: each[name] - each[other] for key, each in cells.items() if name in each}
        for where, values, unit in grouped(place, found):
            yield judged(
                place.id(f"{name} {other} {where.partition(',')[0]}{own}"),
                finding,
                f"{where}; n = {n}",
                f"ECE with {name} less with {other}",
                over_units(values),
                sign,
                unit,
            )


def pooling(place: Place, less: Values, n: int, of: str) -> Iterator[Claim]:
    """A task's temperature drawn to what the model's others say."""
    own = "" if n == FROM else f" {n}"
    for where, values, unit in grouped(place, less):
        yield judged(
            place.id(f"pooled {where.partition(',')[0]}{own}"),
            "A task's temperature drawn to those of the model's other tasks: better (ours)",
            f"{where}; n = {n}, each of {of} by itself",
            "ECE with teacher_pooled less with teacher_kl",
            over_units(values),
            -1,
            unit,
        )


def by_question(place: Place, found: Mapping[str, Values]) -> Iterator[Claim]:
    """Does p(F | x), or the option mass, tell which question a temperature can repair?"""
    for measure, name in MEASURES.items():
        for where, values, unit in grouped(place, found[measure]):
            yield judged(
                place.id(f"{measure} tells questions {where.partition(',')[0]}"),
                f"Where {name} is low a temperature repairs less (ours)",
                where,
                f"ECE left where {name} is below its median less above",
                over_units(values),
                1,
                unit,
            )


def by_variant(
    place: Place, rows: Sequence[Mapping[str, Any]], task: str, cells: Cells
) -> Iterator[Claim]:
    """Does it tell which variant, asked in which way?"""
    left = _ranks(place, {key: cell["teacher_kl"] for key, cell in cells.items()})
    models = [m for m in dict.fromkeys(model for model, _ in cells) if m not in place.strangers]
    ways = len(left) // len(models)
    for measure, name in MEASURES.items():
        said = {(r["model"], r["way"]): r[measure] for r in rows if r["task"] == task}
        place_of = _ranks(place, {key: said[key] for key in left})
        of_each = [
            np.array([(place_of[key], left[key]) for key in left if key[0] == model])
            for model in models
        ]
        yield judged(
            place.id(f"{measure} tells variants"),
            f"A variant that is asked so that {name} is low is repaired less (ours)",
            f"{place.variants.partition(',')[0]}, {ways} ways to ask",
            f"rank correlation of {name} and the ECE left from {MANY} questions",
            over_groups(of_each, lambda ranks: float(np.corrcoef(ranks.T)[0, 1])),
            -1,
            "models",
        )


def warnings(place: Place, where: str, signs: Mapping[str, Any]) -> Iterator[Claim]:
    """Where no fit harmed, or all did, there is nothing to warn of."""
    for sign in SIGNS:
        if sign in signs:
            ranks = signs[sign]["auroc"]
            yield judged(
                place.id(f"warns {sign} {where}"),
                "A label-free sign tells a teacher's fit that harms from one that does not (ours)",
                f"{sign}; {signs['harmful']:.1%} of {signs['fits']:,} fits on {where} harm; of the "
                f"tenth that it warns of {signs[sign]['right_of_warnings']:.1%} do",
                "area under the ROC curve, less a half",
                {k: v if k == "n" else v - 0.5 for k, v in ranks.items()},
                1,
                "models",
            )


def cells(rows: Sequence[dict[str, Any]], n: int) -> Cells:
    """ECE by method from n questions; the mean over tasks, where there are several."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["n"] == n:
            of_model = found.setdefault((row["model"], row["way"]), {})
            of_model[row["method"]] = float(np.mean(row["ece"]))
    return found


def of_models(
    found: Mapping[str, Interval], models: Collection[str], ways: Collection[str] = ()
) -> Iterator[tuple[str, str, Interval]]:
    """Model, way and effect, of some."""
    for key, each in found.items():
        model, way = key.split(" ")
        if model in models and (not ways or way in ways):
            yield model, way, each


def grouped(place: Place, found: Values) -> Iterator[tuple[str, list[float], str]]:
    """The base's variants, each its ways' mean, and strangers, each way by itself."""
    of_model: dict[str, list[float]] = {}
    for (model, _), value in found.items():
        of_model.setdefault(model, []).append(value)
    ours = [float(np.mean(v)) for model, v in of_model.items() if model not in place.strangers]
    others = [value for (model, _), value in found.items() if model in place.strangers]
    if len(ours) >= _LEAST_UNITS:
        yield place.variants, ours, "models"
    if len(others) >= _LEAST_UNITS:
        yield place.others, others, "ways to ask"


def within(found: Interval, margin: float) -> str:
    """Whether a claim holds that an effect is next to none."""
    low, high = found["low"], found["high"]
    if -margin < low and high < margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else UNTOLD


def _basic(found: Interval) -> dict[str, float]:
    """Hall's basic interval: in that of questions drawn anew their noise, which makes every ECE
    higher, is met twice. In a difference of two it cancels.
    """
    mean, low, high = (found[end] for end in ("mean", "low", "high"))
    return {"mean": mean, "low": 2 * mean - high, "high": 2 * mean - low, "n": found["n"]}


def _ranks(place: Place, values: Values) -> dict[tuple[str, str], int]:
    """The ranks of the base's variants alone."""
    ours = {key: value for key, value in values.items() if key[0] not in place.strangers}
    return {key: rank for rank, key in enumerate(sorted(ours, key=ours.__getitem__))}
