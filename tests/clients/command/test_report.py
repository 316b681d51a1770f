"""`trueodds evaluate` and `trueodds report`, as a user sees them."""

from datetime import UTC, datetime

import pytest
from tests.clients.command.output import NOBODY, TIN, rows

from trueodds import Calibrator, Estimate, Evaluation, Method, ReliabilityBin, Report, RiskCoverage


def test_a_calibrator_is_evaluated_and_its_thresholds_are_for_score(
    command, write, activated, task
):
    name = activated(2.0)
    items = [
        {**TIN, "question": f"Is {number} a metal?", "answer": number % 2} for number in range(60)
    ]
    told = command("evaluate", name, write(*items), "--target-risk", 0.9, "--miscoverage", 0.2)
    assert told.exit_code == 0
    assert "60 questions" in told.stdout
    for said in ("nll", "null_ece", "0.9", "lac", "aps"):
        assert said in told.stdout
    report = Report.from_json(
        command("evaluate", name, write(*items), "--miscoverage", 0.2, "--json").stdout
    )
    rule = report.answer_sets[1].rule
    assert report.items == 60
    asked = ["score", "aligned", write(TIN), "--task", task, "--calibrator", name]
    [row] = rows(command(*asked, "--answer-set", rule.method.value, rule.threshold))
    likeliest = row["calibrated_probabilities"].index(max(row["calibrated_probabilities"]))
    assert row["answer_set"][0] == likeliest
    for wrong in (["--answer-set", "magic", 0.5], ["--answer-set", "lac"]):
        assert command(*asked, *wrong).exit_code == 2


@pytest.fixture
def numbers(tmp_path):
    """A file of a report's numbers."""
    calibrator = Calibrator(
        name=NOBODY, model="models/aligned", model_revision="r", task="", reading="paren",
        options=2, method=Method.CONSTANT, temperature=2.0, at_bound=False, undetermined=False,
        teacher=None, items=0, created=datetime(2026, 11, 5, tzinfo=UTC), active=False,
    )  # fmt: skip
    bins = (ReliabilityBin(0.8, 0.9, 40, 0.85, 0.75, 0.6, 0.86),)
    side = Evaluation({"nll": Estimate(0.7, 0.6, 0.8)}, bins, bins, (RiskCoverage(0.8, 1.0, 0.25),))
    path = tmp_path / "numbers.json"
    path.write_text(Report(calibrator, 40, side, side).to_json(), encoding="utf-8")
    return path


def test_a_report_is_drawn_from_its_numbers_without_a_server(command, numbers, tmp_path):
    page, folder, again = tmp_path / "a/report.html", tmp_path / "figures", tmp_path / "again.json"
    result = command(
        "report", "--from", numbers, "-o", page, "--svg", folder, "--json", again,
        "--server", "localhost:1",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{page}\n"
    assert "What it changes may be chance" in result.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert again.read_text(encoding="utf-8") == numbers.read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {
        "reliability.svg", "reliability-equal-mass.svg", "risk-coverage.svg",
    }  # fmt: skip


def test_numbers_come_from_standard_input_too(command, numbers, tmp_path):
    page = tmp_path / "report.html"
    content = numbers.read_text(encoding="utf-8")
    assert command("report", "--from", "-", "-o", page, stdin=content).exit_code == 0
    assert page.exists()
    result = command("report", "--from", "-", "-o", page, stdin="{")
    assert result.stderr.startswith("error: standard input: is not JSON")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"{}", "calibrator is missing"),
    ],
)
def test_numbers_that_are_none_are_named(command, tmp_path, content, said):
    path = tmp_path / "numbers.json"
    if content is not None:
        path.write_bytes(content)
    result = command("report", "--from", path, "-o", tmp_path / "report.html")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}")
    assert said in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_place_that_cannot_be_written_is_named(command, numbers):
    result = command("report", "--from", numbers, "-o", numbers / "report.html")
    assert result.exit_code == 1
    assert "report.html cannot be written" in result.stderr


def test_a_report_measures_a_calibrator_through_the_service(command, write, activated, tmp_path):
    name = activated(2.0, activate=False)
    asked = [{**TIN, "question": f"Is {number} a metal?", "answer": number % 2}
             for number in range(60)]  # fmt: skip
    page, numbers = tmp_path / "report.html", tmp_path / "numbers.json"
    args = ["-o", page, "--json", numbers, "--target-risk", 0.6, "--miscoverage", 0.2]
    result = command("report", name.split("/")[-1][:12], write(*asked), *args)
    assert result.exit_code == 0, result.stderr
    report = Report.from_json(numbers.read_bytes())
    assert (report.calibrator.name, report.items) == (name, 60)
    assert report.after.metrics["accuracy"] == report.before.metrics["accuracy"]
    assert sum(each.count for each in report.after.equal_width) == 60
    assert [rule.target_risk for rule in report.abstentions] == [0.6]
    assert {each.miscoverage for each in report.answer_sets} == {0.2}
    assert not report.in_sample
    content = page.read_text(encoding="utf-8")
    assert "On 60 questions" in content
    assert name in content
    again = command("report", name, write(*asked), "-o", tmp_path / "again.html")
    assert again.exit_code == 0


def test_a_report_of_questions_without_answers_names_the_first(command, write, activated):
    name = activated(2.0, activate=False)
    result = command("report", name, write({**TIN, "answer": 0}, TIN), "-o", "x.html")
    assert result.exit_code == 1
    assert "questions.items[1]" in result.stderr
