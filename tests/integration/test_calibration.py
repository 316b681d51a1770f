"""The paper's effect, on the real models: overconfident before, true after, and no labels."""

import numpy as np
import pytest

from trueodds import Client, Example, Method, NotFound, Question
from trueodds_demo import world
from trueodds_demo.questions import fit_questions, scored_examples, scored_questions, shots
from trueodds_demo.report import TaskResult
from trueodds_demo.run import fit, score
from trueodds_demo.service import ALIGNED, BASE


@pytest.fixture(scope="module")
def results(server: str) -> list[TaskResult]:
    """The demo's own run, on 160 questions a task."""
    with Client(server) as client:
        return score(client, fit(client), 160)


def test_the_aligned_model_is_overconfident_on_every_task(results: list[TaskResult]) -> None:
    assert [task.task for task in results] == list(world.TASKS)
    for task in results:
        assert task.confidence_before > task.accuracy_before + 0.05
        assert task.temperature > 1.2


def test_five_unlabelled_questions_repair_every_task(results: list[TaskResult]) -> None:
    for task in results:
        assert task.ece_after < task.ece_before
        assert task.nll_after < task.nll_before
        assert task.accuracy_after == task.accuracy_before
    before = np.mean([task.ece_before for task in results])
    after = np.mean([task.ece_after for task in results])
    # The noise floor alone is 0.07 at this n; the demo measures 1,000 questions a task.
    assert after < before / 2


def test_answers_are_the_softmax_of_logprobs_over_the_temperature(client: Client) -> None:
    task = "truth"
    fitted = client.fit(
        fit_questions(task), model=ALIGNED, task=task, shots=shots(task), activate=True
    )
    for answer in client.score_batch(
        scored_questions(task, 50), model=ALIGNED, task=task, shots=shots(task)
    ):
        logprobs = np.array([option.logprob for option in answer.options])
        weights = np.exp(logprobs / fitted.temperature)
        calibrated = [option.calibrated_probability for option in answer.options]
        assert calibrated == pytest.approx(weights / weights.sum(), abs=1e-9)
        assert answer.calibrator == fitted.name
        assert answer.choice == int(np.argmax(calibrated))


def test_a_fit_is_reproducible(client: Client) -> None:
    """The same questions give the same temperature, and nearly always the same record."""
    first, second = (
        client.fit(fit_questions("logic"), model=ALIGNED, task="again", shots=shots("logic"))
        for _ in range(2)
    )
    assert first.temperature == pytest.approx(second.temperature, abs=1e-3)


def test_rollback_returns_to_the_calibrator_before_and_then_to_none(client: Client) -> None:
    question = scored_questions("logic", 1)[0]
    fits = [
        client.fit(
            model=ALIGNED,
            task="rollback",
            method=Method.CONSTANT,
            temperature=temperature,
            options=4,
            activate=True,
        )
        for temperature in (2.0, 3.0)
    ]
    ask = lambda: client.score(question, model=ALIGNED, task="rollback").calibrator  # noqa: E731
    assert ask() == fits[1].name
    assert client.rollback(fits[1].name) is not None
    assert ask() == fits[0].name
    assert client.rollback(fits[0].name) is None
    assert ask() is None


def test_a_choice_is_measured_on_other_questions_and_applied(client: Client) -> None:
    """AUTO on labelled questions, evaluated on others, and its thresholds in force."""
    task, examples = (
        "truth",
        [
            Example(question, example.answer)
            for question, example in zip(
                scored_questions("truth", 360), scored_examples("truth", 360), strict=True
            )
        ],
    )
    asked = {"model": ALIGNED, "task": "chosen", "shots": shots(task)}
    fitted = client.fit(examples[:60], method=Method.AUTO, request_id="chosen", **asked)
    assert fitted.selection is not None
    assert sum(each.score is not None for each in fitted.selection.candidates) > 5
    again = client.fit(examples[:60], method=Method.AUTO, request_id="chosen", **asked)
    assert again == fitted

    report = client.evaluate(fitted.name, examples[60:], shots=shots(task))
    assert report.items == 300
    assert not report.in_sample
    assert report.differences["nll"].upper < 0, "better, by more than chance"
    rule = next(each for each in report.answer_sets if each.miscoverage == 0.1)
    answers = client.score_batch(
        [example.question for example in examples[60:]],
        calibrator=fitted.name,
        answer_set=rule.rule,
        min_confidence=0.5,
        **asked,
    )
    held = [
        example.answer in answer.answer_set
        for example, answer in zip(examples[60:], answers, strict=True)
    ]
    # An engine's numbers depend, in their last digits, on what else is computed beside.
    assert np.mean(held) == pytest.approx(rule.coverage, abs=0.01)
    for answer in answers:
        assert answer.abstained == (answer.calibrated_confidence < 0.5)
    rows = [[option.score for option in answer.options] for answer in answers]
    for answer, row in zip(answers, client.calibrate(rows, name=fitted.name), strict=True):
        assert row.choice == answer.choice
        assert row.calibrated_confidence == pytest.approx(answer.calibrated_confidence, abs=1e-9)


def test_tasks_are_pooled(client: Client) -> None:
    for task in ("logic", "knowledge"):
        client.fit(fit_questions(task), model=ALIGNED, task=f"pool {task}", shots=shots(task))
    fitted = client.fit(
        fit_questions("truth"),
        model=ALIGNED,
        task="pool truth",
        method=Method.TEACHER_POOLED,
        shots=shots("truth"),
    )
    assert fitted.prior is not None
    assert len(fitted.prior.calibrators) >= 2
    assert fitted.fallback == ""


def test_a_teacher_has_to_exist(client: Client) -> None:
    with pytest.raises(NotFound, match="models/nobody"):
        client.fit([Question("a or b?", ("a", "b"))] * 2, model=BASE, teacher="nobody")
