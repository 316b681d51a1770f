"""The demo's report: the record, the drawings' geometry, and the page."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from trueodds.report.bins import ece
from trueodds.report.diagram import marks
from trueodds.report.geometry import Frame, Scale
from trueodds.report.panel import FRAME, callout, common_scale
from trueodds.report.text import decimal, duration, esc, percent, px
from trueodds_demo.report import Bin, Example, Report, TaskResult, hero_svg, render
from trueodds_demo.report.summary import pool, summarise

SPEC = {  # options, sharpness of the truth, overconfidence
    "knowledge": (4, 0.55, 2.4),
    "completion": (4, 0.45, 2.9),
    "openbook": (4, 0.6, 3.3),
    "truth": (5, 0.35, 2.6),
    "logic": (4, 0.3, 2.2),
    "toxicity": (2, 0.7, 3.1),
    "sentiment": (2, 0.4, 2.0),
}
QUESTION = (
    "Three reports say the bridge is open, two say that it is closed, and one says that it was "
    "never built.\nWhat is the bridge?"
)
OPTIONS = ("open", "closed", "never built", "painted a very dark green", "on fire")
REQUIRED = [
    "task", "n", "options", "accuracy_before", "accuracy_after", "confidence_before",
    "confidence_after", "ece_before", "ece_after", "teacher_ece", "temperature", "calibrator",
]  # fmt: skip
VOID = {"meta", "link", "br"}


def softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=1, keepdims=True))


def binned(probabilities: np.ndarray, labels: np.ndarray) -> tuple[Bin, ...]:
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * 10).astype(int), 9)
    out = []
    for i in range(10):
        here = index == i
        n = int(here.sum())
        said, was = (float(confidence[here].mean()), float(right[here].mean())) if n else (0.0, 0.0)
        out.append(Bin(i / 10, (i + 1) / 10, n, said, was))
    return tuple(out)


def sample_task(name: str, n: int, rng: np.random.Generator) -> TaskResult:
    k, sharpness, over = SPEC[name]
    truth = rng.dirichlet(np.full(k, sharpness), size=n) * 0.94 + 0.06 / k
    labels = np.array([rng.choice(k, p=row / row.sum()) for row in truth])
    logits = over * (np.log(truth) + rng.normal(0, 0.12, truth.shape))
    temperature = over * 1.06
    raw, calibrated, teacher = softmax(logits), softmax(logits / temperature), truth
    right = float((raw.argmax(axis=1) == labels).mean())
    before, after = binned(raw, labels), binned(calibrated, labels)
    pick = int(np.argmin(np.abs(truth.max(axis=1) - 0.58)))

    def nll(p: np.ndarray) -> float:
        return float(-np.log(p[np.arange(n), labels]).mean())

    def brier(p: np.ndarray) -> float:
        return float(((p - np.eye(k)[labels]) ** 2).sum(axis=1).mean())

    return TaskResult(
        task=name, n=n, options=k, accuracy_before=right, accuracy_after=right,
        confidence_before=float(raw.max(axis=1).mean()),
        confidence_after=float(calibrated.max(axis=1).mean()),
        ece_before=ece(before), ece_after=ece(after), teacher_ece=ece(binned(teacher, labels)),
        temperature=temperature, calibrator="teacher_temperature",
        null_ece_before=0.019, null_ece_after=0.028,
        teacher_accuracy=float((teacher.argmax(axis=1) == labels).mean()),
        nll_before=nll(raw), nll_after=nll(calibrated),
        brier_before=brier(raw), brier_after=brier(calibrated),
        format_probability=0.93 + 0.01 * k, bins_before=before, bins_after=after,
        example=Example(QUESTION, OPTIONS[:k], *(tuple(map(float, p[pick]))
                                                 for p in (truth, raw, calibrated, teacher))),
    )  # fmt: skip


def sample_report(n: int = 1000, seed: int = 7) -> Report:
    rng = np.random.default_rng(seed)
    return Report(
        n_per_task=n, seconds=94.2, tasks=tuple(sample_task(name, n, rng) for name in SPEC),
        aligned_model="trueodds-demo-aligned", teacher_model="trueodds-demo-base",
        engine="vLLM 0.26.0, CPU", questions_per_second=148.6, total_questions=14_035,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    return sample_report()


class Page(HTMLParser):
    """Follow the tags, and fail when they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_json_has_the_agreed_shape_and_round_trips(report: Report) -> None:
    data = json.loads(report.to_json())
    assert list(data)[:3] == ["n_per_task", "seconds", "tasks"]
    assert all(list(task)[: len(REQUIRED)] == REQUIRED for task in data["tasks"])
    assert Report.from_json(report.to_json()) == report


def test_a_report_without_examples_round_trips_and_renders(report: Report) -> None:
    bare = replace(report, tasks=tuple(replace(t, example=None) for t in report.tasks))
    assert Report.from_json(bare.to_json()) == bare
    assert "One question of each" not in render(bare)


def test_what_cannot_be_drawn_is_refused(report: Report) -> None:
    with pytest.raises(ValueError, match="lie in"):
        Bin(0.0, 0.1, 3, float("nan"), 0.5)
    with pytest.raises(ValueError, match="a width and a count"):
        Bin(0.2, 0.1, 3, 0.15, 0.5)
    with pytest.raises(ValueError, match="every option"):
        Example("?", ("a", "b"), (0.5, 0.5), (1.0,), (0.5, 0.5), (0.5, 0.5))
    with pytest.raises(ValueError, match="at least one task"):
        replace(report, tasks=())
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(report, seconds=float("nan")).to_json()


def test_pooling_keeps_counts_means_and_error() -> None:
    left, right = Bin(0.8, 0.9, 30, 0.84, 0.6), Bin(0.8, 0.9, 10, 0.88, 0.8)
    (merged,) = pool([(left,), (right,)])
    assert merged.count == 40
    assert merged.confidence == pytest.approx(0.85)
    assert merged.accuracy == pytest.approx(0.65)
    assert ece([merged]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.2, 0.02, "repaired it"),
        (0.08, 0.04, "repaired it"),  # what is left is noise
        (0.2, 0.12, "narrowed the gap"),
        (0.2, 0.2, "did not repair it"),
        (0.03, 0.03, "did not repair it"),
    ],
)
def test_the_headline_claims_no_more_than_the_numbers(
    report: Report, before: float, after: float, verdict: str
) -> None:
    tasks = tuple(replace(t, ece_before=before, ece_after=after) for t in report.tasks)
    changed = replace(report, tasks=tasks)
    assert summarise(changed).verdict == verdict
    assert verdict in render(changed)


def test_a_dot_lies_at_its_confidence_and_accuracy() -> None:
    frame, scale = Frame(left=50, top=20, size=400), Scale(0.8, radius=10, width=30)
    bins = (Bin(0.5, 0.6, 20, 0.55, 0.25), Bin(0.9, 1.0, 80, 0.95, 0.75))
    drawn = marks(bins, frame, scale)
    dots = re.findall(r'<circle class="dot" cx="(.*?)" cy="(.*?)" r="(.*?)"', drawn)
    assert [tuple(map(float, dot)) for dot in dots] == [(430, 120, 10), (270, 320, 5)]


def test_the_shaded_area_is_the_calibration_error() -> None:
    frame, scale = Frame(left=0, top=0, size=100), Scale(0.6, radius=10, width=12)
    bins = (Bin(0.4, 0.5, 40, 0.45, 0.65), Bin(0.9, 1.0, 60, 0.95, 0.75))
    drawn = marks(bins, frame, scale)
    gaps = re.findall(r'class="gap" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', drawn)
    area = sum(float(width) * float(height) for _, _, width, height in gaps)
    assert area == pytest.approx(ece(bins) * frame.size * scale.width / scale.largest_share)
    assert [float(gap[1]) for gap in gaps] == [35, 5]


def test_empty_bins_leave_no_mark() -> None:
    empty = (Bin(0.0, 0.5, 0, 0.0, 0.0), Bin(0.5, 1.0, 0, 0.0, 0.0))
    assert marks(empty, FRAME, common_scale(empty)) == ""
    assert callout(empty, common_scale(empty)) == ""


@pytest.mark.parametrize("accuracy", [0.0, 0.05, 0.4, 0.99, 1.0])
@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.74, 0.8, 1.0])
def test_the_callout_stays_inside_the_frame(confidence: float, accuracy: float) -> None:
    bins = (Bin(0.0, 1.0, 9, confidence, accuracy),)
    heights = re.findall(r'class="call".*? y="(.*?)"', callout(bins, common_scale(bins)))
    has_room = min(confidence, accuracy) >= 0.4
    assert len(heights) == (2 if has_room else 0)
    assert all(FRAME.top < float(y) < FRAME.bottom for y in heights)


def test_the_page_nests_and_its_ids_are_unique(report: Report) -> None:
    page = Page(render(report))
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] or "" for _, a in page.seen if "aria-labelledby" in a]
    assert {key for names in named for key in names.split()} <= set(ids)
    for tag, attrs in page.seen:
        assert tag != "svg" or "aria-labelledby" in attrs or attrs.get("aria-hidden") == "true"


def test_the_page_needs_nothing_from_outside(report: Report) -> None:
    text = render(report)
    for tag, attrs in Page(text).seen:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base"}
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "xlink:href", "action"):
            assert (attrs.get(name) or "data:,") == "data:,"
    assert "url(" not in text
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_every_task_and_fact_appears(report: Report) -> None:
    words = "\n".join(Page(render(report)).words)
    for task in report.tasks:
        assert words.count(task.task) >= 4
        assert decimal(task.ece_before) in words
        assert decimal(task.temperature, 2) in words
    for fact in (report.engine, report.aligned_model, report.teacher_model, "14,035", "make demo"):
        assert fact in words


def test_foreign_text_is_escaped(report: Report) -> None:
    evil = "</title><script>alert(1)</script>\"'&\x00\x1b\ud800"
    task = report.tasks[0]
    assert task.example is not None
    example = replace(task.example, question=evil, options=(evil, *task.example.options[1:]))
    tasks = (replace(task, task=evil, calibrator=evil, example=example), *report.tasks[1:])
    bad = replace(report, tasks=tasks, engine=evil, aligned_model=evil, teacher_model=evil)
    text = render(bad)
    assert "<script" not in text
    assert "\x00" not in text
    assert "script" not in {tag for tag, _ in Page(text).seen}
    assert text.encode("utf-8")
    ET.fromstring(hero_svg(bad))  # noqa: S314


def test_the_picture_stands_alone(report: Report) -> None:
    picture = hero_svg(report)
    root = ET.fromstring(picture)  # noqa: S314
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in picture
    assert "<script" not in picture
    dots = [e for e in root.iter() if e.get("class") == "dot"]
    summary = summarise(report)
    assert len(dots) == sum(1 for b in (*summary.before.bins, *summary.after.bins) if b.count)


def test_the_same_report_gives_the_same_page(report: Report) -> None:
    again = Report.from_json(report.to_json())
    assert render(again) == render(report)
    assert hero_svg(again) == hero_svg(report)


def test_numbers_are_written_with_care() -> None:
    assert percent(0.864) == "86\u202f%"
    assert percent(-0.0, 1) == "0.0\u202f%"
    assert decimal(-0.0314) == "−0.031"
    assert (px(3.04), px(3.0), px(-0.01)) == ("3", "3", "0")
    assert (duration(3.21), duration(59.6), duration(94)) == ("3.2 s", "1 min 00 s", "1 min 34 s")
    assert esc('<a b="c">') == "&lt;a b=&quot;c&quot;&gt;"
