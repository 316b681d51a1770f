"""Scores of another service, by the client and by the command: probabilities, confidences alone."""

import csv
import json

import numpy as np
import pytest

from trueodds import (
    BiasCorrection,
    CalibratedScores,
    Format,
    InvalidRequest,
    Method,
    Question,
    Report,
    Scores,
)
from trueodds.report import render

STEP = 0.01


def claims(n=200, seed=0):
    """Confidences in steps of 0.01 that are right half as often."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(size=n).round(2)
    correct = rng.random(n) < confidence / 2
    return [
        {"confidence": each, "correct": bool(right)}
        for each, right in zip(confidence.tolist(), correct.tolist(), strict=True)
    ]


def rows_of(n=40):
    """Rows of two options in steps of 0.01, each right as often as it says, or a bit less."""
    return [
        {"probabilities": [1 - p / 100, p / 100], "answer": int(number % 3 == 0)}
        for number, p in enumerate(np.linspace(0, 40, n).round().tolist())
    ]


class TestClient:
    def test_confidences_alone(self, client, task):
        asked = {"probability_step": STEP, "model": "aligned", "task": task}
        items = [Scores(**each) for each in claims()]
        # A way of reading is of what this service asks.
        fitted = client.fit(
            items, method=Method.BETA, reading=Format.LETTER, activate=True, **asked
        )
        assert (fitted.reading, fitted.options, fitted.labelled) == ("confidence", 0, 200)
        report = client.evaluate(
            fitted.name, [Scores(**each) for each in claims(seed=1)], probability_step=STEP
        )
        assert report.after.metrics["ece"].value < report.before.metrics["ece"].value / 2
        assert "Brier" in render(report)
        high, low = client.calibrate([Scores(confidence=1.0), Scores(confidence=0.2)], **asked)
        assert isinstance(high, CalibratedScores)
        assert (high.probabilities, high.calibrated_probabilities, high.choice) == ((), (), None)
        assert high.confidence == pytest.approx(0.995)
        assert 0.4 < high.calibrated_confidence < 0.7
        assert low.calibrated_confidence == pytest.approx(0.1, abs=0.1)

    def test_probabilities(self, client, task):
        asked = {"probability_step": STEP, "model": "aligned", "task": task}
        items = [Scores(**each) for each in rows_of()]
        fitted = client.fit(items, method=Method.TEMPERATURE, activate=True, **asked)
        [found] = client.calibrate([Scores(probabilities=[0.8, 0.2])], **asked)
        sure = 1 / (1 + (0.2 / 0.8) ** (1 / fitted.temperature))
        assert found.calibrated_probabilities == pytest.approx((sure, 1 - sure))
        assert found.choice == 0
        report = client.evaluate(fitted.name, items, probability_step=STEP)
        assert report.in_sample

    def test_probabilities_of_a_teacher_and_without_content(self, client, task):
        items = [Scores(probabilities=[0.6, 0.4], teacher_probabilities=[0.7, 0.3])] * 3
        fitted = client.fit(
            items,
            model="aligned",
            task=task,
            method=Method.TEACHER_KL,
            bias_correction=BiasCorrection.CONTEXTUAL,
            content_free=[[0.5, 0.5]],
        )
        assert fitted.temperature == pytest.approx(np.log(0.6 / 0.4) / np.log(0.7 / 0.3), rel=1e-3)

    def test_a_certainty_without_a_step(self, client, task):
        items = [Scores(**each) for each in rows_of()]
        with pytest.raises(InvalidRequest) as caught:
            client.fit(items, model="aligned", task=task, method=Method.TEMPERATURE)
        assert caught.value.reason == "ZERO_PROBABILITY"
        assert caught.value.field == "scores.items[0].probabilities"

    @pytest.mark.parametrize("step", [1e-17, 5e-324, 0.5, -0.01, float("nan")])
    def test_a_step_that_nothing_is_rounded_to(self, client, task, step):
        items = [Scores(**each) for each in claims(20)]
        with pytest.raises(InvalidRequest) as caught:
            client.fit(items, model="aligned", task=task, method=Method.BETA, probability_step=step)
        assert caught.value.field.endswith("probability_step")

    def test_questions_are_rounded_to_no_step(self, client):
        with pytest.raises(InvalidRequest) as caught:
            client.fit([Question("Tin?", ["a", "b"])], model="aligned", probability_step=STEP)
        assert caught.value.field == "probability_step"


class TestCommand:
    def test_questions_stay_questions_whatever_was_once_said_of_them(
        self, command, client, write, task
    ):
        row = {"question": "Is tin a metal?", "choices": ["yes", "no"], "answer": 0}
        said = {"confidence": 0.6, "correct": True, "probabilities": [0.6, 0.4]}
        path = write(*[{**row, **said}] * 5)
        fitted = command("fit", "aligned", path, "--task", task, "--method", "temperature")
        assert fitted.exit_code == 0, fitted.stderr
        calibrator = client.calibrator(fitted.stdout.strip())
        assert (calibrator.options, calibrator.reading != "confidence") == (2, True)

    def test_confidences_of_a_file(self, command, write, task, tmp_path):
        step = ("--probability-step", STEP)
        path = write(*claims())
        fitted = command(
            "fit", "aligned", path, "--task", task, "--method", "beta", "--activate", *step
        )
        assert fitted.exit_code == 0, fitted.stderr
        name = fitted.stdout.strip()
        others = write(*claims(seed=1))
        measured = command("evaluate", name, others, "--json", *step)
        page, numbers = tmp_path / "report.html", tmp_path / "numbers.json"
        drawn = command("report", name, others, "-o", page, "--json", numbers, *step)
        assert drawn.exit_code == 0, drawn.stderr
        assert json.loads(numbers.read_bytes()) == json.loads(measured.stdout)
        assert "On 200 questions" in page.read_text(encoding="utf-8")
        report = Report.from_json(measured.stdout)
        assert report.items == 200
        assert report.after.metrics["ece"].value < report.before.metrics["ece"].value / 2
        page = tmp_path / "report.html"
        again = ("report", name, write(*claims(seed=1)), "-o", page, "--json")
        drawn = command(*again, tmp_path / "numbers.json", *step)
        assert drawn.exit_code == 0, drawn.stderr
        assert "<svg" in page.read_text()
        numbers = Report.from_json((tmp_path / "numbers.json").read_text())
        assert numbers.after.metrics["ece"] == report.after.metrics["ece"]
        asked = write({"confidence": 0.9, "id": "first"}, {"confidence": 0})
        for named in (("--task", task), ("--calibrator", name)):
            told = command("calibrate", "aligned", asked, *named, *step)
            assert told.exit_code == 0, told.stderr
            first, last = map(json.loads, told.stdout.splitlines())
            assert first["id"] == "first"
            assert first.keys() == {"id", "confidence", "calibrated_confidence", "calibrator"}
            assert first["calibrated_confidence"] == pytest.approx(0.45, abs=0.1)
            assert last["calibrated_confidence"] < 0.1
            assert last["calibrator"] == name

    def test_a_table_of_confidences(self, command, tmp_path, task):
        path = tmp_path / "log.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, ["confidence", "correct"])
            table.writeheader()
            table.writerows(claims())
        args = ("fit", "aligned", path, "--task", task, "--method", "auto")
        fitted = command(*args, "--probability-step", STEP)
        assert fitted.exit_code == 0, fitted.stderr
        shown = command("calibrators", "show", fitted.stdout.strip()).stdout
        assert "200, 200 with an answer" in shown

    def test_rows_of_probabilities(self, command, write, task):
        step = ("--probability-step", STEP)
        path = write(*rows_of())
        args = ("--task", task, "--method", "temperature", "--activate")
        fitted = command("fit", "aligned", path, *args, *step)
        assert fitted.exit_code == 0, fitted.stderr
        asked = write({"probabilities": [0.8, 0.2]}, {"probabilities": [0.8, 0.1]})
        told = command("calibrate", "aligned", asked, "--task", task, *step)
        assert told.exit_code == 1
        row, wrong = map(json.loads, told.stdout.splitlines())
        assert sum(row["calibrated_probabilities"]) == pytest.approx(1)
        assert row["choice"] == 0
        assert wrong["error"]["field"] == "items[1].probabilities"

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"confidence": "high", "correct": True}, "confidence: 'high' is not a number"),
            ({"confidence": 0.5, "correct": "B"}, "correct: has to be true or false"),
            ({"probabilities": [0.5, None]}, "probabilities: has a gap"),
            ({"probabilities": 0.5}, "probabilities: has to be a list of numbers"),
            ({"probabilities": [0.5, 0.5], "answer": 0.5}, "answer: has to be the index"),
            ({"answer": 0}, "has neither logprobs nor probabilities nor a confidence"),
        ],
    )
    def test_a_row_that_is_none(self, command, write, row, said):
        path = write({"confidence": 0.5, "correct": True}, row)
        told = command("fit", "aligned", path, "--method", "beta")
        assert told.exit_code == 1
        assert f"line 2: {said}" in told.stderr

    def test_who_says_where_the_question_is_has_questions(self, command, write, task):
        """A column may be called confidence without being scores."""
        rows = [
            {"q": f"Is {n} odd?", "a": "yes", "b": "no", "correct": n % 2, "confidence": 3}
            for n in range(6)
        ]
        columns = (
            "--question-column",
            "q",
            "--options-column",
            "a,b",
            "--answer-column",
            "correct",
        )
        told = command("fit", "aligned", write(*rows), "--task", task, *columns)
        assert told.exit_code == 0, told.stderr
