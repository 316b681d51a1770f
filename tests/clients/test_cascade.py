"""A cascade by the library, by the command and in a whole file."""

import json

import pytest
from pyarrow import parquet

from trueodds import Client, Example, Method, Question

FIRST, LAST, BOTH = "models/base", "models/aligned", "models/both"


@pytest.fixture
def served(start_service, monkeypatch):
    """A service with a cascade, which the command asks."""
    cascades = [{"name": "both", "models": ["base", "aligned"]}]
    service = start_service(cascades=cascades)
    monkeypatch.setenv("TRUEODDS_SERVER", service.app.address)
    return service


@pytest.fixture
def examples(served):
    """The first model is right in the half that it is surest of."""
    questions = [Question(f"Question {n}?", ("a", "b", "c", "d")) for n in range(120)]
    with Client(served.app.address) as client:
        client.fit(model="base", method=Method.IDENTITY, options=4, activate=True)
        answers = client.score_batch(questions, model="base")
    middle = sorted(each.confidence for each in answers)[len(answers) // 2]
    return [
        Example(question, (said.choice + (said.confidence < middle)) % 4)
        for question, said in zip(questions, answers, strict=True)
    ]


def test_the_client_fits_evaluates_and_asks(served, connect, examples):
    client = connect(served.app.address)
    questions = [each.question for each in examples]
    found = client.fit(
        examples, model="both", method=Method.CASCADE, target_risk=0.2, activate=True
    )
    assert (found.method, found.active, found.degenerate) == (Method.CASCADE, True, "")
    assert found.parameters["target_risk"] == (0.2,)
    [first] = found.measured_with
    assert first.startswith(f"{FIRST}/calibrators/")
    report = client.evaluate(found.name, examples)
    first, last = report.cascade.parts
    assert (first.model, first.asked, last.model) == (FIRST, 120, LAST)
    assert first.answered == pytest.approx(60, abs=12)
    assert first.risk.value <= 0.2
    assert report.in_sample
    answers = client.score_batch(questions, model="both")
    assert [each.answered_by for each in answers].count(FIRST) == first.answered
    assert {each.cascade_calibrator for each in answers} == {found.name}
    assert {each.skipped_because for each in answers} == {""}
    own = client.score(questions[0], model="base")
    assert (own.answered_by, own.cascade_calibrator) == (None, None)
    [both] = [each for each in client.models() if each.cascade]
    assert (both.name, both.cascade, both.ready) == (BOTH, (FIRST, LAST), True)


def test_the_command_fits_evaluates_asks_and_writes(command, served, examples, write, tmp_path):
    rows = [
        {"question": each.question.text, "options": each.question.options, "answer": each.answer}
        for each in examples
    ]
    path = write(*rows)
    fit = ["fit", "both", path, "--method", "cascade", "--activate", "--answers", "from-0"]
    assert command(*fit).exit_code == 1
    fitted = command(*fit, "--target-risk", "0.2")
    assert fitted.exit_code == 0, fitted.stderr
    assert "of the questions, from a confidence of" in fitted.stderr
    name = fitted.stdout.strip()

    shown = command("calibrators", "show", name).stdout
    assert "measured with" in shown
    told = command("evaluate", name, path, "--answers", "from-0")
    assert told.exit_code == 0, told.stderr
    assert f"{LAST} alone" in told.stdout
    assert "of the last alone" in told.stdout
    assert "before is the last model alone" in told.stderr

    scored = command("score", "both", path)
    answers = [json.loads(line) for line in scored.stdout.splitlines()]
    assert {each["answered_by"] for each in answers} == {FIRST, LAST}
    assert {each["cascade_calibrator"] for each in answers} == {name}

    output = tmp_path / "answers.parquet"
    written = command("bulk", "both", path, "-o", output)
    assert written.exit_code == 0, written.stderr
    by = parquet.read_table(output).to_pylist()
    for column in ("answered_by", "prompt_tokens", "cached_tokens", "cost"):
        assert [each[column] for each in by] == [each[column] for each in answers]

    shares = ["--method", "cascade", "--target-passed-on", "0.5"]
    unanswered = write(*({**row, "answer": None} for row in rows))
    shared = command("fit", "both", unanswered, *shares)
    assert shared.exit_code == 0, shared.stderr
    assert "of the questions, from a confidence of" in shared.stderr

    in_request = command("score", "base+aligned", path, "--wait", "10")
    assert "skipped_because" in in_request.stdout.splitlines()[0]
    unknown = command("score", "base+huge", path, "--wait", "10")
    assert "models/huge is no model of this server" in unknown.stderr

    page = command("report", name, path)
    assert page.exit_code == 1
    assert "trueodds evaluate measures it" in page.stderr
