"""Claims about Gemma 3 270M, pre-trained, and SmolLM2-135M-Instruct, aligned, on MMLU."""

from collections.abc import Iterator
from typing import Any

from studies.intervals import over_units
from studies.report.claims import FAILS, HOLDS, Claim, judged, told, unknown
from trueodds_service.core.metrics.rate_intervals import wilson_interval

WHERE = "real models, MMLU"
_NAMES = {"smollm2": "SmolLM2", "smollm2+chat": "SmolLM2 in conversations", "gemma": "Gemma"}
FROM = 5
SCHEMES = ("sft-format", "sft-choice", "sft-mixed", "dpo-format", "dpo-choice", "dpo-mixed")


def claims(result: dict[str, Any]) -> Iterator[Claim]:
    yield from _of_the_paper(result["effects"])
    yield from _methods(result)
    for scheme in SCHEMES:
        yield unknown(
            f"scheme-{scheme}",
            "Format schemes stay near the pre-trained calibration, Choice and Mixed become "
            "overconfident, DPO-Choice the most",
            "Gemma, trained on the synthetic task",
            "trained, and not read on MMLU: the GPU's time was spent (make study-real reads it)",
        )
    yield from _decomposition(result["decomposition"])


def _of_the_paper(effects: dict[str, Any]) -> Iterator[Claim]:
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
    for key, found in effects["aligned_less_base"].items():
        model, way = key.split(" ")
        yield judged(
            f"aligned-worse-{model}-{way.replace('/', '-')}",
            "An aligned model has a higher ECE than a pre-trained one, zero-shot and five-shot",
            f"{_NAMES[model]} beside Gemma, another family, {way}",
            "ECE less Gemma's, asked alike",
            found,
            1,
            "questions",
        )
    for key, found in effects["overconfidence"].items():
        model, way = key.split(" ")
        if model != "gemma":
            yield judged(
                f"overconfident-{model}-{way.replace('/', '-')}",
                "An aligned model is overconfident, with shots and without",
                f"{_NAMES[model]}, {way}",
                "confidence less accuracy",
                found,
                1,
                "questions",
            )
    for key, found in effects["shots"].items():
        model, way = key.split(" ")
        if model != "gemma":
            yield told(
                f"icl-does-not-repair-{model}-{way}",
                "Worked examples do not repair an aligned model",
                f"{_NAMES[model]}, {way}",
                "ECE after five shots less zero-shot",
                found,
                FAILS if found["high"] < 0 else HOLDS,
                "questions",
            )


def _methods(result: dict[str, Any]) -> Iterator[Claim]:
    for model, way in dict.fromkeys((row["model"], row["way"]) for row in result["subjects"]):
        own = [r for r in result["subjects"] if (r["model"], r["way"]) == (model, way)]
        less = [row["teacher_kl"] - row["identity"] for row in own]
        yield judged(
            f"teacher-repairs-{model}-{way.replace('/', '-')}",
            "A temperature from five unlabelled questions and the pre-trained model repairs it",
            f"{_NAMES[model]}, {way}, each subject by itself",
            "ECE after teacher_kl less raw, mean of 100 draws",
            over_units(less),
            -1,
            "subjects",
        )
        better = sum(each < 0 for each in less) / len(less)
        low, high = wilson_interval(better, len(less))
        yield told(
            f"teacher-repairs-every-{model}-{way.replace('/', '-')}",
            "It is the only method that improves on all tasks",
            f"{_NAMES[model]}, {way}, each subject by itself",
            "share of subjects whose mean ECE falls",
            {"mean": better, "low": float(low), "high": float(high), "n": len(less)},
            HOLDS if better == 1 else FAILS,
            "subjects",
        )
    cells = _cells(result["posthoc"])
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
    ):
        less = [found[name] - found[other] for found in cells if name in found]
        if less:
            yield judged(
                f"{name.replace(' ', '-')}-{other}".replace("'", "").replace(",", ""),
                finding,
                "SmolLM2, plain and in conversations, four ways to ask; n = 5",
                f"ECE with {name} less with {other}",
                over_units(less),
                sign,
                "models and ways",
            )


def _cells(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """ECE by method from five questions, of each model and way."""
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["n"] == FROM:
            cells.setdefault((row["model"], row["way"]), {})[row["method"]] = row["ece"]
    return list(cells.values())


def _decomposition(found: list[dict[str, Any]]) -> Iterator[Claim]:
    for each in found:
        if each["format_probability"]:
            yield judged(
                f"format-tells-{each['model']}-{each['way'].replace('/', '-')}",
                "Where p(F | x) is low a temperature repairs less (ours)",
                f"{_NAMES[each['model']]}, {each['way']}",
                "ECE left where p(F | x) is below its median less above",
                each["format_probability"],
                1,
                "questions",
            )
