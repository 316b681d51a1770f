"""`trueodds fit`, as a user sees it."""

from tests.clients.command.output import TIN, rows

from trueodds.cli.calibrators import LABELLED
from trueodds_service.core.calibrators.methods import SPECS


def test_a_fit_prints_the_name_and_says_what_was_found(command, write, task):
    path = write(*({**TIN, "question": f"Is {number} a metal?"} for number in range(9)))
    result = command("fit", "aligned", path, "--task", task, "--activate")
    assert result.exit_code == 0
    assert result.stderr == "teacher_kl, T = 3.0000, active\n"
    [scored] = rows(command("score", "aligned", write(TIN), "--task", task))
    assert result.stdout == f"{scored['calibrator']}\n"


def test_an_answer_that_is_no_option_costs_a_fit_its_row_alone(command, write, task):
    """Where answers are what is learnt from; else the question is as good as any."""
    asked = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(20)]
    asked[3]["answer"] = 7
    args = ("fit", "aligned", write(*asked), "--task", task)
    said = "1 answer is not usable"
    for method, count in (("temperature", "19, 19 with an answer"), ("teacher_kl", "20, 19 with")):
        fitted = command(*args, "--method", method)
        assert fitted.exit_code == 0, fitted.stderr
        assert said in fitted.stderr
        assert ("rows are left out; line 4: " in fitted.stderr) == (method == "temperature")
        shown = command("calibrators", "show", fitted.stdout.strip()).stdout
        assert count in shown
    for row in asked:
        row["answer"] = 7
    refused = command(*args[:2], write(*asked), "--answers", "from-0", "--method", "temperature")
    assert refused.exit_code == 1
    assert "none of its answers is usable" in refused.stderr


def test_the_methods_that_learn_from_answers_are_those_of_the_service():
    assert {method.name for method in LABELLED} == {
        method.name for method, spec in SPECS.items() if spec.needs_labels
    } | {"CASCADE"}


def test_a_fit_from_answers_and_one_from_nothing(command, write, task):
    items = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(9)]
    args = ["fit", "aligned", "--task", task]
    from_answers = command(*args, write(*items), "--method", "temperature")
    constant = command(*args, "--method", "constant", "--temperature", 1.5, "--options", 2)
    for result in (from_answers, constant):
        assert result.exit_code == 0
        assert result.stdout.startswith("models/aligned/calibrators/")
        assert "not active; see trueodds calibrators activate" in result.stderr
    assert constant.stderr.startswith("constant, T = 1.5000, ")


def test_a_dry_run_shows_what_would_be_stored_and_stores_nothing(command, write, task):
    path = write(*({**TIN, "question": f"Is {number} a metal?"} for number in range(9)))
    result = command("fit", "aligned", path, "--task", task, "--activate", "--dry-run")
    assert result.exit_code == 0
    assert "temperature" in result.stdout
    assert "nothing is stored" in result.stderr
    assert "models/" not in command("calibrators", "list", "aligned", "--task", task).stdout


def test_a_fit_says_what_it_did_instead(command, write, task):
    items = [{**TIN, "question": f"Is {number} a metal?", "answer": 0} for number in range(9)]
    result = command("fit", "aligned", write(*items), "--task", task, "--method", "isotonic")
    said, why = result.stderr.splitlines()
    assert said.startswith("isotonic, ")
    assert why
    named = ["--request-id", task, "--teacher-format", "letter", "--bias-correction", "batch"]
    for _ in range(2):
        again = command("fit", "aligned", write(*items), "--task", task, *named)
        assert again.exit_code == 0
    shown = command("calibrators", "show", again.stdout.strip()).stdout
    assert "letter" in shown
    assert "batch" in shown


def test_a_degenerate_fit_is_told_and_not_activated(command, write, task):
    certain = [{**TIN, "answer": 0}] * 5
    asked = ["fit", "aligned", write(*certain), "--task", task, "--method", "temperature"]
    told = command(*asked, "--activate")
    assert told.exit_code == 1
    assert "not activated: " in told.stderr
    name = told.stdout.strip()
    assert "degenerate" in command("calibrators", "activate", name).stderr
    assert "is active" in command("calibrators", "activate", name, "--force").stdout
