"""Where the numbers lie on the drawings, and what chance would do to them."""

import re
import xml.etree.ElementTree as ET

import pytest
from scipy.stats import binom

from trueodds import AbstentionRule, Evaluation, ReliabilityBin, RiskCoverage
from trueodds.report import pictures
from trueodds.report.bins import consistency
from trueodds.report.curve import Plot, curve, plot_of
from trueodds.report.diagram import band, whiskers
from trueodds.report.geometry import Frame
from trueodds.report.metrics import difference
from trueodds.report.panel import FRAME as PANEL
from trueodds.report.panel import LABEL, callout, common_scale
from trueodds.report.tables import interval
from trueodds.report.text import brief, signed, upwards

SVG = "{http://www.w3.org/2000/svg}"
FRAME = Frame(left=50, top=20, size=400)


def parsed(picture):
    return ET.fromstring(picture)  # noqa: S314


def of_class(root, name):
    return [each for each in root.iter() if name in (each.get("class") or "").split()]


@pytest.mark.parametrize("count", [1, 2, 7, 100, 3_000, 1_000_000])
@pytest.mark.parametrize("confidence", [1e-9, 0.02, 0.25, 0.5, 0.9, 0.999])
def test_chance_is_the_binomial_of_scipy(count, confidence):
    low, high = binom.ppf([0.025, 0.975], count, confidence)
    assert consistency(count, confidence) == (low / count, high / count)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_what_is_certain_leaves_nothing_to_chance(confidence):
    assert consistency(5, confidence) == (confidence, confidence)


def test_a_grey_box_spans_its_bin_and_what_chance_does_in_it():
    drawn = band([ReliabilityBin(0.5, 0.75, 10, 0.6, 0.6, 0.3, 0.8)], FRAME)
    low, high = binom.ppf([0.025, 0.975], 10, 0.6) / 10
    [box] = re.findall(r'x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', drawn)
    expected = (250, 420 - 400 * high, 100, 400 * (high - low))
    assert tuple(map(float, box)) == pytest.approx(expected, abs=0.051)


@pytest.mark.parametrize(("count", "boxes"), [(0, 0), (1, 0), (2, 0), (50, 1)])
def test_a_bin_too_small_to_tell_has_no_grey_box(count, boxes):
    drawn = band([ReliabilityBin(0.5, 0.75, count, 0.6, 0.6, 0.3, 0.8)], FRAME)
    assert drawn.count("<rect") == boxes


def test_a_line_is_the_interval_of_the_accuracy():
    drawn = whiskers([ReliabilityBin(0.5, 0.75, 10, 0.6, 0.5, 0.25, 0.75)], FRAME)
    assert 'd="M290 120V320"' in drawn


def test_every_dot_lies_within_its_interval(simulate):
    """In the pictures as they are written, with their rounding."""
    for name, picture in pictures(simulate(n=300)).items():
        root = parsed(picture)
        dots, lines = of_class(root, "dot"), of_class(root, "whisker")
        assert len(dots) == len(lines)
        assert dots or name == "risk-coverage"
        spans = {}
        for line in lines:
            x, top, bottom = map(float, re.findall(r"[\d.]+", line.get("d")))
            spans.setdefault(x, []).append((top, bottom))
        for dot in dots:
            x, y = float(dot.get("cx")), float(dot.get("cy"))
            assert any(top - 0.1 <= y <= bottom + 0.1 for top, bottom in spans[x])


def test_a_calibrated_model_lies_within_chance(simulate):
    """19 boxes of 20 hold their dot; here with many fewer misses than that allows."""
    bins = simulate(n=3000, over=1.0, temperature=1.0, seed=3).before.equal_mass
    inside = 0
    for each in bins:
        low, high = consistency(each.count, each.confidence)
        inside += low <= each.accuracy <= high
    assert inside >= len(bins) - 1


def read_aloud(confidence, accuracy, *others):
    """What is written of the largest of these bins: its anchor, and where its words begin or end;
    None where it is left out.
    """
    bins = [
        ReliabilityBin(each - 0.01, each + 0.01, count, each, right, 0, 1)
        for each, right, count in [(confidence, accuracy, 100), *others]
    ]
    drawn = callout(bins, common_scale(bins))
    if not drawn:
        return None
    words = re.findall(r'text-anchor="(.*?)" x="(.*?)" y="(.*?)">(.*?)</text>', drawn)
    (anchor, x, top, said), (_, _, bottom, right) = words
    assert said == f"said {100 * confidence:.0f}\u202f%,"
    assert right == f"right {100 * accuracy:.0f}\u202f%"
    return anchor, float(x), float(top), float(bottom)


@pytest.mark.parametrize("confidence", [0.5, 0.75, 0.78, 0.79, 0.9, 1.0])
def test_what_is_read_aloud_stays_within_the_square_and_below_its_dot(confidence):
    anchor, x, top, bottom = read_aloud(confidence, 0.6)
    left, right = (x - LABEL, x) if anchor == "end" else (x, x + LABEL)
    assert left >= PANEL.left - 4
    assert right <= PANEL.right
    assert top > PANEL.y(0.6) + 18, "under the largest dot"
    assert bottom < PANEL.bottom
    # It begins at its dot as long as there is room.
    assert anchor == ("start" if confidence <= 0.78 else "end")


def test_what_is_read_aloud_lies_below_the_dots_and_gaps_near_it():
    _, _, free, _ = read_aloud(0.6, 0.8)
    _, _, below, _ = read_aloud(0.6, 0.8, (0.65, 0.5, 99))
    assert below > PANEL.y(0.5) + 17.5, "the dot of that bin"
    assert free < below
    assert read_aloud(0.6, 0.8, (0.95, 0.3, 99))[2] == free, "too far away to be in the way"
    # The gap reaches from the accuracy to the confidence.
    assert read_aloud(0.6, 0.8, (0.58, 0.9, 99))[2] > free


def test_where_there_is_no_room_nothing_is_read_aloud():
    assert read_aloud(0.5, 0.1) is None
    assert callout([], common_scale([])) == ""
    assert callout([ReliabilityBin(0, 1, 0, 0, 0, 0, 1)], common_scale([])) == ""


# Risk and coverage


def test_a_point_of_the_curve_lies_at_its_coverage_and_risk():
    plot = Plot(top=0.5, left=100, right=300, upper=0, lower=200)
    assert (plot.x(0.25), plot.y(0.1)) == (150, 160)
    assert (plot.x(1.0), plot.y(0.9)) == (300, 0), "what is above the plot lies on its edge"


def test_the_scale_holds_all_but_the_first_few_answers(simulate):
    report = simulate(n=500)
    top = plot_of(report).top
    for side in (report.before, report.after):
        assert all(point.risk <= top for point in side.risk_coverage if point.coverage >= 0.05)
    assert all(rule.risk_upper_bound <= top for rule in report.abstentions)


@pytest.mark.parametrize(
    ("risk", "top"), [(0.0, 0.01), (0.003, 0.01), (0.04, 0.04), (0.21, 0.25), (0.7, 0.8), (1, 1)]
)
def test_the_scale_ends_at_a_round_risk(simulate, risk, top):
    side = Evaluation(risk_coverage=(RiskCoverage(0.5, 1.0, risk),))
    report = simulate(n=20, abstentions=(), before=side, after=side)
    assert plot_of(report).top == pytest.approx(top)


def test_the_scale_holds_a_risk_in_the_middle_and_not_that_of_the_first_few(simulate):
    points = (
        RiskCoverage(0.9, 0.04, 1.0),
        RiskCoverage(0.8, 0.05, 0.3),
        RiskCoverage(0.5, 1.0, 0.1),
    )
    side = Evaluation(risk_coverage=points)
    assert plot_of(simulate(n=20, abstentions=(), before=side, after=side)).top == pytest.approx(
        0.3
    )


@pytest.mark.parametrize("percent", [1, 3, 5, 6, 9, 11, 24, 26, 49, 51, 76, 100])
def test_a_scale_has_few_marks_and_each_says_its_risk(simulate, percent):
    side = Evaluation(risk_coverage=(RiskCoverage(0.5, 1.0, percent / 100),))
    report = simulate(n=20, abstentions=(), before=side, after=side)
    drawn, plot = curve(report), plot_of(report)
    marks = re.findall(r'text-anchor="end" x="[\d.]+" y="([\d.]+)">(\d+)<', drawn)
    assert 2 <= len(marks) <= 6
    for y, said in marks:
        assert float(y) - 4 == pytest.approx(plot.y(int(said) / 100), abs=0.051)


def test_a_threshold_lies_at_its_coverage_and_risk_under_its_bound(simulate):
    rules = (AbstentionRule(0.05, 0.8, 0.5, 0.03, 0.05), AbstentionRule(0.01, None, 0, 0, 0))
    report = simulate(n=50, abstentions=rules)
    drawn, plot = curve(report), plot_of(report)
    [(x, y)] = re.findall(r'class="rule" cx="([\d.]+)" cy="([\d.]+)" r="5"><title', drawn)
    assert (float(x), float(y)) == pytest.approx((plot.x(0.5), plot.y(0.03)), abs=0.051)
    [bound] = re.findall(r'class="bound" d="M[\d.]+ ([\d.]+)H', drawn)
    assert float(bound) == pytest.approx(plot.y(0.05), abs=0.051)


# Numbers


def test_a_difference_is_drawn_on_its_side_of_zero(simulate):
    drawn = interval(difference(simulate(), "nll"), -1)
    [cx] = re.findall(r'cx="([\d.]+)"', drawn)
    assert float(cx) < 60
    assert "now" in drawn


def test_a_threshold_is_rounded_to_its_safe_side():
    assert upwards(0.7612341) == "0.761235"
    assert upwards(0.5) == "0.5"
    assert upwards(0.1 + 0.2) == "0.300001", "0.3 is below it"


def test_counts_stay_short_and_differences_have_a_sign():
    assert [brief(n) for n in (0, 9_999, 12_345, 999_999, 12_000_000)] == [
        "0", "9,999", "12k", "1000k", "12M",
    ]  # fmt: skip
    assert [signed(v) for v in (0.25, -0.25, 0.0, -0.0001, 0.0001)] == [
        "+0.250", "−0.250", "0.000", "0.000", "0.000",
    ]  # fmt: skip
