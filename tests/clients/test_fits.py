"""Fits, evaluations and calibrators by Client and AsyncClient: each test holds for both."""

import math

import numpy as np
import pytest

from trueodds import (
    BiasCorrection,
    DegenerateFitWarning,
    Example,
    FailedPrecondition,
    Format,
    InvalidRequest,
    Method,
    NotFound,
    Question,
    Scores,
)


def constant(client, task, temperature=2.0, **options):
    """A calibrator that needs no data."""
    options = {"options": 4, **options}
    return client.fit(
        model="aligned", task=task, method=Method.CONSTANT, temperature=temperature, **options
    )


def test_a_fit_from_questions_finds_the_temperature_and_reports_its_progress(client, ask, task):
    seen = []
    calibrator = client.fit(
        [ask(f"Fit {number}?") for number in range(70)],
        model="aligned",
        task=task,
        activate=True,
        progress=lambda *numbers: seen.append(numbers),
    )
    assert calibrator.temperature == pytest.approx(3.0, abs=1e-3)
    assert calibrator.method is Method.TEACHER_KL
    assert calibrator.reading == "paren"
    assert (calibrator.model, calibrator.teacher) == ("models/aligned", "models/base")
    assert (calibrator.task, calibrator.options, calibrator.items) == (task, 4, 70)
    assert calibrator.metrics["kl_after"] < calibrator.metrics["kl_before"]
    assert calibrator.active
    assert calibrator.created.tzinfo is not None
    assert seen[-1] == (140, 140)
    assert seen == sorted(seen)

    answer = client.score(ask("New?"), model="aligned", task=task)
    assert answer.calibrated
    assert answer.calibrator == calibrator.name
    weights = np.exp(np.array([option.logprob for option in answer.options]) / 3.0)
    assert answer.calibrated_confidence == pytest.approx(max(weights / weights.sum()), rel=1e-3)


def test_a_fit_from_answers(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(30)]
    answers = client.score_batch(questions, model="aligned")
    # Right two times of three: less sure than the model says.
    items = [
        Example(question, answer.choice if number % 3 else (answer.choice + 1) % 4)
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
    ]
    calibrator = client.fit(items, model="aligned", task=task, method=Method.TEMPERATURE)
    assert calibrator.temperature > 1
    assert calibrator.metrics["accuracy"] == pytest.approx(2 / 3)
    assert calibrator.metrics["nll_after"] < calibrator.metrics["nll_before"]
    assert not calibrator.active


def test_a_fit_says_what_it_lacks(client, ask, task):
    with pytest.raises(InvalidRequest) as caught:
        client.fit([ask()], model="aligned", task=task, method=Method.TEMPERATURE)
    assert caught.value.field == "questions.items"
    with pytest.raises(InvalidRequest, match=r"^source: METHOD_TEACHER_KL is fitted"):
        client.fit(model="aligned", task=task)
    with pytest.raises(InvalidRequest, match=r"^source: METHOD_CONSTANT is fitted from options"):
        constant(client, task, options=None)
    with pytest.raises(InvalidRequest) as caught:
        constant(client, task, items=[ask()])
    assert caught.value.field == "options"


def test_a_fit_from_scores_is_that_from_the_questions(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(20)]
    own, teachers = (client.score_batch(questions, model=name) for name in ("aligned", "base"))
    items = [
        Scores(
            [option.score for option in answer.options],
            teacher_logprobs=[option.score for option in teacher.options],
            teacher_format_probability=teacher.format_probability,
        )
        for answer, teacher in zip(own, teachers, strict=True)
    ]
    asked = client.fit(questions, model="aligned", task=task)
    given = client.fit(items, model="aligned", task=task)
    assert given.parameters == asked.parameters
    assert given.data_hash == asked.data_hash
    assert (given.teacher, asked.teacher) == (None, "models/base")


def test_everything_about_a_fit_is_kept(client, ask, task):
    items = [Example(ask(f"Fit {number}?"), number % 4) for number in range(30)]
    calibrator = client.fit(
        items,
        model="aligned",
        task=task,
        method=Method.VECTOR,
        bias_correction=BiasCorrection.CONTEXTUAL,
    )
    assert (calibrator.method, calibrator.labelled) == (Method.VECTOR, 30)
    assert calibrator.bias_correction is BiasCorrection.CONTEXTUAL
    assert not calibrator.keeps_choice
    assert len(calibrator.parameters["log_prior"]) == 4
    assert client.calibrator(calibrator.name) == calibrator


def test_a_teacher_is_read_and_shown_as_told(client, ask, task):
    shots = [Example(ask("Shot?"), 0)]
    calibrator = client.fit(
        [ask(f"Fit {number}?") for number in range(5)],
        model="aligned",
        task=task,
        teacher_reading=Format.LETTER,
        teacher_shots=shots,
    )
    assert (calibrator.reading, calibrator.teacher_reading) == ("paren", "letter")


def test_a_dry_run_and_a_named_fit(client, ask, task):
    questions = [ask(f"Fit {number}?") for number in range(5)]
    dry = client.fit(questions, model="aligned", task=task, validate_only=True)
    assert not list(client.calibrators("aligned", task=task))
    first = client.fit(questions, model="aligned", task=task, request_id=task)
    assert first.name == dry.name
    assert client.fit(questions, model="aligned", task=task, request_id=task) == first
    with pytest.raises(InvalidRequest) as caught:
        client.fit(questions[1:], model="aligned", task=task, request_id=task)
    assert (caught.value.field, caught.value.reason) == ("request_id", "REQUEST_ID_REUSED")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"items": [Scores([0, 1]), Question("Tin?", ["a", "b"])]}, "items"),
        ({"shots": [Example(Question("Tin?", ["a", "b"]), 0)]}, "shots"),
        ({"teacher_shots": [Example(Question("Tin?", ["a", "b"]), 0)]}, "teacher_shots"),
        ({"items": [Question("Tin?", ["a", "b"])], "content_free": [[0, 1]]}, "content_free"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fit_of_what_does_not_go_together(client, arguments, field):
    with pytest.raises(InvalidRequest) as caught:
        client.fit(**{"items": [Scores([0, 1])], "model": "aligned", **arguments})
    assert caught.value.field == field


SHOTS = [Example(Question("Tin?", ["a", "b"]), 0)]


@pytest.mark.parametrize(
    "said",
    [
        {"shots": SHOTS},
        {"teacher_shots": SHOTS},
        {"content_free": [[0.0, -1.0]]},
        {"probability_step": 0.01},
        {"allow_probabilities": True},
    ],
    ids="".join,
)
@pytest.mark.parametrize("of", [{"options": 2}, {"any_options": True}, {}], ids=str)
def test_what_is_said_of_items_is_refused_where_there_are_none(client, said, of):
    """Nothing of it would have been kept."""
    with pytest.raises(InvalidRequest) as caught:
        client.fit(model="aligned", method=Method.CONSTANT, **said, **of)
    assert [caught.value.field] == [*said]


def test_a_degenerate_fit_is_kept_and_not_activated(client, task):
    """The caller is warned, and may force it."""
    certain = [Scores([-0.1, -4.0], 0)] * 5
    asked = {"model": "aligned", "task": task, "method": Method.TEMPERATURE}
    with pytest.warns(DegenerateFitWarning, match="is not activated: the temperature ran into"):
        fitted = client.fit(certain, activate=True, **asked)
    assert not fitted.active
    assert "bounds" in fitted.degenerate
    with pytest.raises(FailedPrecondition) as caught:
        client.activate(fitted.name)
    assert caught.value.reason == "DEGENERATE_FIT"
    assert client.activate(fitted.name, force=True).active


def test_an_evaluation_from_scores_is_that_from_the_questions(client, ask, task):
    calibrator = constant(client, task)
    examples = [Example(ask(f"Held out {number}?"), number % 4) for number in range(40)]
    answers = client.score_batch([example.question for example in examples], model="aligned")
    seen = []
    asked = client.evaluate(
        calibrator.name, examples, progress=lambda done, total: seen.append((done, total))
    )
    given = client.evaluate(
        calibrator.name,
        [
            Scores([option.score for option in answer.options], example.answer)
            for answer, example in zip(answers, examples, strict=True)
        ],
    )
    assert asked == given
    assert seen[-1] == (40, 40)
    assert asked.calibrator == calibrator
    assert not asked.in_sample


def test_scores_are_calibrated_in_their_order(client, task):
    calibrator = constant(client, task, 2.0, options=2, activate=True)
    rows = [[0.0, number / 10] for number in range(300)]
    rows[200] = [0.0, math.nan]
    for named in ({"name": calibrator.name}, {"model": "aligned", "task": task}):
        outcomes = client.calibrate(rows, **named)
        assert len(outcomes) == 300
        assert outcomes[200].field == "items[200].logprobs"
        for number in (0, 199, 299):
            sure = 1 / (1 + math.exp(-number / 20))
            assert outcomes[number].calibrated_probabilities == pytest.approx((1 - sure, sure))
    with pytest.raises(InvalidRequest, match=r"^items: has 0 items"):
        client.calibrate([], name=calibrator.name)


def test_a_deleted_calibrator_is_gone(client, task):
    kept, gone = constant(client, task, 2.0, activate=True), constant(client, task, 3.0)
    client.delete(gone.name)
    with pytest.raises(NotFound):
        client.calibrator(gone.name)
    with pytest.raises(FailedPrecondition) as caught:
        client.delete(kept.name)
    assert caught.value.reason == "CALIBRATOR_ACTIVE"


def test_calibrators_are_listed_the_newest_first_over_pages(client, task):
    made = [constant(client, task, 1 + number / 100).name for number in range(60)]
    other = constant(client, task + "!", 1.5).name
    listed = [calibrator.name for calibrator in client.calibrators("aligned", task=task)]
    assert listed == made[::-1]
    assert other in [calibrator.name for calibrator in client.calibrators("models/aligned")]


def test_a_calibrator_is_found_by_its_name(client, task):
    made = constant(client, task)
    assert client.calibrator(made.name) == made


def test_activations_can_be_taken_back(client, ask, task):
    first, second = (constant(client, task, temperature) for temperature in (2.0, 3.0))
    assert client.activate(first.name).active
    assert client.activate(second.name).active
    assert client.score(ask(), model="aligned", task=task).calibrator == second.name
    assert client.rollback(second.name).name == first.name
    with pytest.raises(FailedPrecondition) as caught:
        client.rollback(second.name)
    assert caught.value.reason == "CALIBRATOR_NOT_ACTIVE"
    assert client.rollback(first.name) is None
    assert client.score(ask(), model="aligned", task=task).calibrator is None


def test_a_named_calibrator_is_used_in_its_scope_only(client, ask, task):
    calibrator = constant(client, task)
    answer = client.score(ask(), model="aligned", task=task, calibrator=calibrator.name)
    assert answer.calibrator == calibrator.name
    with pytest.raises(FailedPrecondition) as caught:
        client.score(ask(options=3), model="aligned", task=task, calibrator=calibrator.name)
    assert caught.value.reason == "SCOPE_MISMATCH"


def test_an_answer_abstains_below_a_confidence(client, ask, task):
    constant(client, task, activate=True)
    answer = client.score(ask(), model="aligned", task=task)
    for least, abstained in ((answer.calibrated_confidence, False), (1.0, True)):
        said = client.score(ask(), model="aligned", task=task, min_confidence=least)
        assert said.abstained == abstained
