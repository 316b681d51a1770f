"""The page: what it says, what it needs, and that it can be read by a machine."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from trueodds import Estimate, Evaluation, Method, ReliabilityBin, Report, RiskCoverage
from trueodds.report import pictures, render
from trueodds.report.png import png
from trueodds.report.text import count, decimal, percent, signed, upwards

VOID = {"meta", "link", "br"}
CASES = {
    "four options": {},
    "two options": {"k": 2, "over": 2.0, "temperature": 2.0},
    "five options": {"k": 5, "n": 400},
    "twenty questions": {"n": 20},
    "one question": {"n": 1},
    "ten thousand questions": {"n": 10_000},
    "calibrated before": {"over": 1.0, "temperature": 1.0},
}


class Page(HTMLParser):
    """Follows the tags, and fails when they do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def report(request, simulate):
    return simulate(**request.param)


def test_the_page_nests_and_its_ids_are_unique(report):
    page = Page(render(report))
    ids = [attrs["id"] for _, attrs in page.seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = [attrs["aria-labelledby"] for _, attrs in page.seen if "aria-labelledby" in attrs]
    assert {key for names in named for key in names.split()} <= set(ids)
    for tag, attrs in page.seen:
        assert tag != "svg" or "aria-labelledby" in attrs or attrs.get("aria-hidden") == "true"
    assert [tag for tag, _ in page.seen].count("h1") == 1


def test_the_page_needs_nothing_from_outside(report):
    text = render(report)
    for tag, attrs in Page(text).seen:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base"}
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "xlink:href", "action"):
            assert (attrs.get(name) or "data:,") == "data:,"
    for outside in ("url(", "@import", "http:", "https:"):
        assert outside not in text


def test_the_pictures_stand_alone(report):
    drawn = pictures(report)
    assert set(drawn) == {"reliability", "reliability-equal-mass", "risk-coverage"}
    for picture in drawn.values():
        root = ET.fromstring(picture)  # noqa: S314
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in picture
        assert "nan" not in picture
        assert [each.tag.split("}")[1] for each in root][:2] == ["title", "desc"]


def test_a_picture_is_called_what_it_shows(simulate):
    titles = {
        name: ET.fromstring(picture)[0].text  # noqa: S314
        for name, picture in pictures(simulate(n=50)).items()
    }
    assert titles == {
        "reliability": "Reliability before and after calibration, bins of equal width",
        "reliability-equal-mass": "Reliability before and after calibration, bins of equal mass",
        "risk-coverage": "Risk and coverage, before and after calibration",
    }


def test_everything_is_inside_its_drawing(report):
    for picture in pictures(report).values():
        root = ET.fromstring(picture)  # noqa: S314
        width, height = float(root.get("width")), float(root.get("height"))
        for each in root.iter():
            for name, most in (("cx", width), ("x", width), ("cy", height), ("y", height)):
                assert 0 <= float(each.get(name, 0)) <= most


def test_every_number_of_the_report_is_on_the_page(report):
    """But for the points of the curves, which are drawn."""
    words = "\n".join(Page(render(report)).words)
    missing = []
    for name in report.after.metrics:
        told = [side.metrics[name] for side in (report.before, report.after)]
        share = name in ("accuracy", "confidence")
        values = [v for each in told for v in (each.value, each.lower, each.upper)]
        missing += [v for v in values if (percent(v, 1) if share else decimal(v)) not in words]
    for name, each in report.differences.items():
        scale, decimals = (100, 1) if name in ("accuracy", "confidence") else (1, 3)
        told = [signed(scale * v, decimals) for v in (each.value, each.lower, each.upper)]
        missing += [v for v in told if v not in words]
    for side in (report.before, report.after):
        for each in (*side.equal_width, *side.equal_mass):
            missing += [
                v
                for v in (
                    each.accuracy,
                    each.confidence,
                    each.accuracy_lower,
                    each.accuracy_upper,
                    each.lower,
                )
                if percent(v, 1) not in words
            ]
            missing += [each.count] if count(each.count) not in words else []  # fmt: skip
    for rule in report.abstentions:
        if rule.min_confidence is not None:
            told = (upwards(rule.min_confidence), percent(rule.coverage, 1), percent(rule.risk, 1),
                    percent(rule.risk_upper_bound, 1))  # fmt: skip
            missing += [each for each in told if each not in words]
    for each in report.answer_sets:
        told = (upwards(each.rule.threshold), decimal(each.mean_size, 2),
                percent(each.coverage, 1), percent(each.singletons, 1))  # fmt: skip
        missing += [each for each in told if each not in words]
    assert missing == []


def test_the_record_is_on_the_page(report):
    words = "".join(Page(render(report)).words)
    c = report.calibrator
    for told in (c.name, c.model, c.model_revision, c.task, c.method.value, c.data_hash,
                 c.teacher, c.teacher_revision, report.data_hash, c.selection.criterion,
                 c.selection.reason, "needs 200 answers", "0.8301", "numpy 2.3.4",
                 f"{c.temperature:.4f}", "2026-11-05"):  # fmt: skip
        assert told in words, told


def test_the_same_report_gives_the_same_page_after_json(report):
    again = Report.from_json(report.to_json())
    assert render(again) == render(report)
    assert pictures(again) == pictures(report)


def test_light_dark_and_paper(simulate):
    text = render(simulate(n=50))
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    assert '<meta name="color-scheme" content="light dark">' in text


def test_foreign_text_is_escaped(simulate):
    evil = "</title><script>alert(1)</script>\"'&\x00\x1b\ud800"
    calibrator = replace(simulate(n=50).calibrator, task=evil, model=evil, name=evil, teacher=evil,
                         reading=evil, fallback=evil, data_hash=evil,
                         versions={evil: evil}, parameters={evil: (1.0,)})  # fmt: skip
    metrics = {evil: Estimate(0.5, 0.4, 0.6)}
    bad = simulate(n=50, calibrator=calibrator, before=Evaluation(metrics), data_hash=evil)
    text = render(bad)
    assert "<script" not in text
    assert "\x00" not in text
    assert "script" not in {tag for tag, _ in Page(text).seen}
    assert text.encode("utf-8")
    for picture in pictures(bad).values():
        ET.fromstring(picture)  # noqa: S314


def test_an_empty_report_is_a_page(simulate):
    calibrator = replace(simulate(n=20).calibrator, temperature=None, selection=None,
                         method=Method.ISOTONIC, teacher=None)  # fmt: skip
    report = Report(calibrator, 0, Evaluation(), Evaluation())
    words = " ".join(Page(render(report)).words)
    assert "nothing here speaks for activating it" in words
    assert "isotonic" in words
    for picture in pictures(report).values():
        ET.fromstring(picture)  # noqa: S314


def test_a_bin_without_questions_leaves_no_mark(simulate):
    empty = ReliabilityBin(0.0, 0.1, 0, 0.0, 0.0, 0.0, 1.0)
    report = simulate(n=100)
    padded = replace(
        report, after=replace(report.after, equal_width=(empty, *report.after.equal_width))
    )
    one, other = pictures(report)["reliability"], pictures(padded)["reliability"]
    assert one == other


def test_a_metric_that_nobody_knows_is_shown_under_its_name(simulate):
    report = simulate(n=50)
    metrics = {**report.after.metrics, "novelty": Estimate(0.1234, 0.1, 0.2)}
    words = Page(render(replace(report, after=replace(report.after, metrics=metrics)))).words
    assert "novelty " in words
    assert "0.123 " in words


def test_one_point_is_a_curve(simulate):
    report = simulate(n=50, abstentions=())
    point = Evaluation(risk_coverage=(RiskCoverage(0.5, 1.0, 0.0),))
    drawn = pictures(replace(report, before=point, after=point))["risk-coverage"]
    assert len(re.findall('class="curve', drawn)) == 2


def test_a_png_is_the_picture_at_twice_its_size(simulate):
    pytest.importorskip("resvg_py")
    for picture in pictures(simulate(n=50)).values():
        root = ET.fromstring(picture)  # noqa: S314
        made = png(picture)
        assert made.startswith(b"\x89PNG")
        width, height = (int.from_bytes(made[i : i + 4], "big") for i in (16, 20))
        assert (width, height) == (2 * float(root.get("width")), 2 * float(root.get("height")))
        assert made == png(picture)
        assert len(made) > len(png(re.sub("<text.*?</text>", "", picture))), "it has letters"
