"""What is wrong with a question is said where it is made."""

import pickle

import numpy as np
import pytest

from trueodds import (
    AnswerSetMethod,
    AnswerSetRule,
    Chat,
    CustomFormat,
    Example,
    Format,
    InvalidRequest,
    Normalization,
    OrderCorrection,
    Outcome,
    Question,
    Reading,
    Scores,
    Text,
    TokenIds,
)
from trueodds._convert.evaluations import evaluate_message
from trueodds._convert.fits import calibrate_messages, fit_message
from trueodds._convert.scoring import settings_message

SCORED = Scores([0.0, -1.0], 0)
YES_NO = Question("Is tin a metal?", ("yes", "no"))


def test_any_sequence_of_strings_becomes_a_tuple():
    question = Question("Is tin a metal?", ["yes", "no"], labels=np.array(["y", "n"]))
    assert question.options == ("yes", "no")
    assert question.labels == ("y", "n")
    assert Question("Is tin a metal?", ["yes", "no"]) == YES_NO
    assert len({YES_NO, Question("Is tin a metal?", ["yes", "no"])}) == 1


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"options": "yes"}, TypeError, "options has to be a list of strings, not 'yes'"),
        ({"options": 2}, TypeError, "options has to be a list of strings, not 2"),
        ({"options": ["yes", 2]}, TypeError, r"options\[1\] has to be a string, not 2"),
        ({"labels": "yn"}, TypeError, "labels has to be a list of strings, not 'yn'"),
        ({"labels": ["y"]}, ValueError, "labels: 1 for 2 options"),
        ({"text": None}, TypeError, "text has to be a string, not None"),
        ({"passage": 1.5}, TypeError, "passage has to be a string, not 1.5"),
        ({"text": "\ud800"}, ValueError, "text: half a surrogate pair"),
        ({"option_ids": [[1]]}, ValueError, "option_ids: 1 for 2 options"),
        ({"option_ids": [[1], "2"]}, TypeError, r"option_ids\[1\] has to be a list of token ids"),
        ({"option_ids": [[1], [0.5]]}, TypeError, r"option_ids\[1\] has to be a list of token"),
        ({"option_ids": [[1], 2]}, TypeError, r"option_ids\[1\] has to be a list of token ids"),
        ({"option_ids": [[-1], [2]]}, ValueError, r"option_ids\[0\]: a token id is from 0 to"),
        ({"option_ids": [[1], [2**32]]}, ValueError, r"option_ids\[1\]: a token id is from 0 to"),
    ],
)
def test_a_wrong_question_names_its_field(fields, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        Question(**{"text": "Is tin a metal?", "options": ("yes", "no"), **fields})


@pytest.mark.parametrize("answer", [2, -1, 2**40])
def test_an_answer_has_to_be_an_option(answer):
    with pytest.raises(ValueError, match=f"^answer: {answer} is no option; from 0 to 1$"):
        Example(YES_NO, answer)


@pytest.mark.parametrize("answer", ["0", 0.0, True])
def test_an_answer_has_to_be_an_index(answer):
    with pytest.raises(TypeError, match=r"^answer has to be an index from 0"):
        Example(YES_NO, answer)


def test_an_answer_may_be_of_numpy_or_unknown():
    assert type(Example(YES_NO, np.int64(1)).answer) is int
    assert Example(YES_NO).answer is None


def test_an_error_crosses_processes_whole():
    error = pickle.loads(pickle.dumps(InvalidRequest("no", reason="WHY", field="a.b")))  # noqa: S301
    assert isinstance(error, ValueError)
    assert (str(error), error.reason, error.field) == ("no", "WHY", "a.b")


# Prompts


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Text(7), TypeError, "text has to be a string, not 7"),
        (lambda: Text("\ud800"), ValueError, "text: half a surrogate pair"),
        (lambda: TokenIds("12"), TypeError, "ids has to be a list of token ids"),
        (lambda: TokenIds([1.0]), TypeError, "ids has to be a list of token ids"),
        (lambda: TokenIds(5), TypeError, "ids has to be a list of token ids"),
        (lambda: TokenIds([-1]), ValueError, f"ids: a token id is from 0 to {2**32 - 1}"),
        (lambda: TokenIds([2**32]), ValueError, f"ids: a token id is from 0 to {2**32 - 1}"),
        (
            lambda: Chat([{"role": "user"}]),
            ValueError,
            r"messages\[0\] has to have role and content",
        ),
        (
            lambda: Chat(
                [{"role": "user", "content": "a"}, {"role": "a", "content": "b", "x": "c"}]
            ),
            ValueError,
            r"messages\[1\] has to have role and content, nothing else",
        ),
        (
            lambda: Chat([{"role": "user", "content": 1}]),
            TypeError,
            r"messages\[0\]\.content has to be a string, not 1",
        ),
        (
            lambda: Chat([{"role": "user", "content": "a"}], answer_prefix=None),
            TypeError,
            "answer_prefix has to be a string, not None",
        ),
    ],
)
def test_a_wrong_prompt_names_its_field(make, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        make()


def test_token_ids_may_be_of_numpy():
    question = Question(prompt=TokenIds(np.array([1, 2])), option_ids=np.array([[3, 4], [5, 6]]))
    assert question.prompt == TokenIds([1, 2])
    assert question.option_ids == ((3, 4), (5, 6))
    assert {type(each) for ids in (question.prompt.ids, *question.option_ids) for each in ids} == {
        int
    }


def test_options_of_token_ids_need_no_texts():
    question = Question(prompt=TokenIds([1]), option_ids=[[2], [3, 4], [5]])
    assert question.options == ("", "", "")
    assert Example(question, 2).answer == 2


def test_what_is_asked_cannot_change():
    ids, messages = [1, 2], [{"role": "user", "content": "Tin?"}]
    tokens, chat = TokenIds(ids), Chat(messages)
    ids.append(3)
    messages.append(messages[0])
    assert tokens.ids == (1, 2)
    assert len(chat.messages) == 1


def test_a_reading_is_plain_unless_told():
    reading = Reading()
    assert (reading.format, reading.normalization) == (Format.PAREN, Normalization.SUM)
    assert reading.order_correction is OrderCorrection.NONE
    assert reading == Reading(Format.PAREN)
    assert Reading(CustomFormat(answer=" {text}")) != Reading(Format.TEXT)


# What Python takes for numbers


@pytest.mark.parametrize("truth", [True, np.True_])
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda truth: Outcome(b"receipt", truth), "option"),
        (lambda truth: Scores([0.0, -1.0], answer=truth), "answer"),
        (lambda truth: Scores([0.0, truth]), r"logprobs\[1\]"),
        (lambda truth: Scores(probabilities=[truth, 0]), r"probabilities\[0\]"),
        (lambda truth: Scores(teacher_logprobs=[truth]), r"teacher_logprobs\[0\]"),
        (lambda truth: Scores(confidence=truth), "confidence"),
        (lambda truth: Scores(teacher_format_probability=truth), "teacher_format_probability"),
        (lambda truth: TokenIds([truth]), "ids"),
        (lambda truth: settings_message("m", min_confidence=truth), "min_confidence"),
        (lambda truth: settings_message("m", min_option_mass=truth), "min_option_mass"),
        (lambda truth: settings_message("m", top_tokens=truth), "top_tokens"),
        (
            lambda truth: settings_message(
                "m", answer_set=AnswerSetRule(AnswerSetMethod.LAC, truth)
            ),
            r"answer_set\.threshold",
        ),
        (
            lambda truth: settings_message("m", reading=Reading(label_prior=[truth, 0])),
            r"label_prior\[0\]",
        ),
        (lambda truth: fit_message((), "m", temperature=truth, options=2), "temperature"),
        (lambda truth: fit_message((), "m", target_risk=truth), "target_risk"),
        (lambda truth: fit_message((), "m", target_passed_on=truth), "target_passed_on"),
        (lambda truth: fit_message((), "m", options=truth), "options"),
        (lambda truth: fit_message([SCORED], "m", probability_step=truth), "probability_step"),
        (
            lambda truth: fit_message([SCORED], "m", content_free=[[0, truth]]),
            r"content_free\[0\]\[1\]",
        ),
        (lambda truth: evaluate_message("m", (), target_risks=[truth]), r"target_risks\[0\]"),
        (lambda truth: evaluate_message("m", (), miscoverages=[truth]), r"miscoverages\[0\]"),
        (
            lambda truth: [*calibrate_messages("m", "", "", None, [[0, 1], [truth, 0]])],
            r"rows\[1\]\[0\]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_truth_value_is_no_number(make, field, truth):
    with pytest.raises(TypeError, match=rf"^{field} has to be "):
        make(truth)


@pytest.mark.parametrize("correct", [2, "yes", 0.5])
def test_correct_is_true_or_false(correct):
    with pytest.raises(TypeError, match=r"^correct has to be true or false"):
        Scores(confidence=0.5, correct=correct)


def test_an_index_is_from_0():
    for make in (lambda: Outcome(b"receipt", -1), lambda: Outcome("id", 2**32)):
        with pytest.raises(ValueError, match=r"^option: "):
            make()
    with pytest.raises(ValueError, match=r"^answer: "):
        Scores([0.0, -1.0], answer=-1)


def test_scores_and_outcomes_may_be_of_numpy():
    scores = Scores(
        np.array([0.0, -1.0]), np.int64(1), confidence=np.float32(0.5), correct=np.False_
    )
    assert scores == Scores([0, -1], 1, confidence=0.5, correct=False)
    assert Scores(confidence=0.5, correct=1).correct is True
    assert Outcome(b"receipt", np.int64(1)) == Outcome(b"receipt", 1)
    assert Outcome(b"receipt", None).option is None
    [message] = calibrate_messages("m", "", "", None, np.array([[0.0, -1.0]]))
    assert list(message.items[0].logprobs) == [0.0, -1.0]
