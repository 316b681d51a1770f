"""Python ↔ messages: every field of one is in the other."""

from dataclasses import asdict, fields, replace

import pytest

from trueodds import (
    AnswerSetMethod,
    AnswerSetRule,
    BiasCorrection,
    Chat,
    CustomFormat,
    Example,
    Format,
    Method,
    ModelState,
    Normalization,
    OrderCorrection,
    Question,
    Reading,
    Scores,
    Text,
    TokenIds,
)
from trueodds._convert import fits as _fits
from trueodds._convert import models as _models
from trueodds._convert import questions as _questions
from trueodds._convert import scoring as _messages
from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, reading_pb2, scoring_pb2

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tin?"}]
PROMPTS = {
    "str": ("Tin?", {"text": "Tin?"}),
    "text": (Text("Tin?"), {"text": "Tin?"}),
    "special text": (Text("<s>Tin?", special_tokens=True), {"special_text": "<s>Tin?"}),
    "token ids": (TokenIds([1, 2]), {"token_ids": {"ids": [1, 2]}}),
    "chat": (
        Chat(MESSAGES, "Answer:"),
        {"chat": {"messages": MESSAGES, "answer_prefix": "Answer:"}},
    ),
}


def settings_of(reading, **others):
    return _messages.settings_message("aligned", reading=reading, **others)


# Asked


def test_a_question_is_sent_whole():
    question = Question("Tin?", ["yes", "no"], passage="Of tin.", labels=["y", "n"])
    assert _questions.question_message(question) == question_pb2.Question(
        text="Tin?",
        passage="Of tin.",
        options=[{"text": "yes", "label": "y"}, {"text": "no", "label": "n"}],
    )


@pytest.mark.parametrize(("prompt", "message"), PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_is_sent_as_what_it_is(prompt, message):
    question = Question(options=["yes", "no"], prompt=prompt)
    sent = _questions.question_message(question)
    assert sent.prompt == question_pb2.Prompt(**message)
    assert (sent.text, sent.passage) == ("", "")
    pmi = Reading(normalization=Normalization.PMI, unconditional_prompt=prompt)
    assert settings_of(pmi).reading.unconditional_prompt == question_pb2.Prompt(**message)


def test_options_of_token_ids_are_sent():
    question = Question(prompt=TokenIds([1]), option_ids=[[2], [3, 4]])
    options = _questions.question_message(question).options
    assert [list(option.token_ids) for option in options] == [[2], [3, 4]]


def test_a_question_without_a_prompt_has_none():
    assert not _questions.question_message(Question("Tin?", ["a", "b"])).HasField("prompt")


@pytest.mark.parametrize("answer_format", Format)
def test_every_format_is_sent(answer_format):
    message = settings_of(answer_format).reading
    assert reading_pb2.Format.Name(message.format) == f"FORMAT_{answer_format.name}"
    assert settings_of(Reading(answer_format)).reading == message
    assert not message.HasField("custom_format")


@pytest.mark.parametrize("normalization", Normalization)
def test_every_normalization_is_sent(normalization):
    message = settings_of(Reading(normalization=normalization)).reading
    name = reading_pb2.Normalization.Name(message.normalization)
    assert name == f"NORMALIZATION_{normalization.name}"


@pytest.mark.parametrize("order", OrderCorrection)
def test_every_correction_is_sent(order):
    message = settings_of(Reading(order_correction=order)).reading
    name = reading_pb2.OrderCorrection.Name(message.order_correction)
    expected = "UNSPECIFIED" if order is OrderCorrection.NONE else order.name
    assert name == f"ORDER_CORRECTION_{expected}"


def test_the_values_of_enums_are_enough():
    """As they come from a configuration file."""
    assert settings_of(Reading("text", "bytes", order_correction="cyclic")) == settings_of(
        Reading(Format.TEXT, Normalization.BYTES, order_correction=OrderCorrection.CYCLIC)
    )


PARTS = [each.name for each in fields(CustomFormat)]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_custom_format_is_sent_if_it_is_said(part):
    """An empty one is not one that is left out."""
    for value in ("", "{text} {label}"):
        message = settings_of(CustomFormat(**{part: value})).reading
        assert message.format == reading_pb2.FORMAT_CUSTOM
        assert getattr(message.custom_format, part) == value
        assert [each for each in PARTS if message.custom_format.HasField(each)] == [part]


def test_settings_are_sent_whole():
    reading = Reading(sum_variants=True, label_prior=[0.25, 0.75])
    message = settings_of(
        reading,
        task="reviews",
        shots=[Example(Question("Tin?", ["yes", "no"]), 1)],
        calibrator="models/aligned/calibrators/0",
        min_option_mass=0.5,
        min_confidence=0.75,
        answer_set=AnswerSetRule(AnswerSetMethod.APS, 0.875),
        require_calibrated=False,
        top_tokens=7,
        receipts=True,
    )
    assert message.model == "models/aligned"
    assert message.reading.sum_variants
    assert list(message.reading.label_prior) == [0.25, 0.75]
    assert (message.task, message.min_option_mass, message.top_tokens) == ("reviews", 0.5, 7)
    assert message.calibrator == "models/aligned/calibrators/0"
    assert message.min_confidence == 0.75
    assert message.answer_set == scoring_pb2.AnswerSetRule(
        method=scoring_pb2.ANSWER_SET_METHOD_APS, threshold=0.875
    )
    assert message.HasField("require_calibrated"), "False is not what the server is configured for"
    [shot] = message.shots
    assert (shot.question.text, shot.answer) == ("Tin?", 1)
    unsent = {each.name for each in message.DESCRIPTOR.fields} - {
        descriptor.name for descriptor, _ in message.ListFields()
    }
    assert unsent == {"options"}, "options are sent where all questions share them"


class TestSharedOptions:
    """Options that are the same for all questions of a batch."""

    SAME = tuple(Question(f"{number}?", ["yes", "no"], labels=["y", "n"]) for number in range(5))

    @staticmethod
    def messages(questions, size=2):
        return list(_messages.batch_messages(settings_of(Format.PAREN), questions, size))

    def test_are_sent_once_a_message(self):
        messages = self.messages(self.SAME)
        assert [len(message.questions) for message in messages] == [2, 2, 1]
        for message in messages:
            assert [(each.text, each.label) for each in message.settings.options] == [
                ("yes", "y"),
                ("no", "n"),
            ]
            assert not any(question.options for question in message.questions)
        assert [each.text for message in messages for each in message.questions] == [
            question.text for question in self.SAME
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"options": ("yes", "never")},
            {"labels": ("n", "y")},
            {"labels": None},
            {"option_ids": ((1,), (2,))},
        ],
        ids=str,
    )
    def test_are_only_those_that_are_the_same(self, change):
        [message] = self.messages([*self.SAME, replace(self.SAME[0], **change)], size=10)
        assert not message.settings.options
        assert all(len(question.options) == 2 for question in message.questions)

    def test_are_the_questions_own_where_there_is_one(self):
        [message] = self.messages(self.SAME[:1])
        assert not message.settings.options
        assert len(message.questions[0].options) == 2

    def test_can_be_none_at_all(self):
        """The server says of each that it has no options."""
        [message] = self.messages([Question("a?"), Question("b?")])
        assert not message.settings.options
        assert len(message.questions) == 2


@pytest.mark.parametrize("method", Method)
def test_a_fit_is_sent_whole(method):
    message = _fits.fit_message(
        model="aligned",
        task="reviews",
        reading=Reading(Format.TEXT, Normalization.BYTES),
        method=method,
        teacher="base",
        temperature=2.0,
        target_risk=0.25,
        target_passed_on=0.5,
        items=[Question("Tin?", ["yes", "no"]), Example(Question("Oak?", ["yes", "no"]), 0)],
        shots=[Example(Question("Ash?", ["yes", "no"]), 1)],
        options=None,
        activate=True,
        force=True,
        any_options=True,
        teacher_reading=Format.LETTER,
        teacher_shots=[Example(Question("Elm?", ["yes", "no"]), 0)],
        bias_correction=BiasCorrection.BATCH,
        request_id="nightly",
        validate_only=True,
    )
    unsent = {each.name for each in message.DESCRIPTOR.fields} - {
        descriptor.name for descriptor, _ in message.ListFields()
    }
    assert unsent == {"scores", "options"}, "the other sources"
    assert calibration_pb2.Method.Name(message.method) == f"METHOD_{method.name}"
    assert message.reading == reading_pb2.Reading(
        format=reading_pb2.FORMAT_TEXT, normalization=reading_pb2.NORMALIZATION_BYTES
    )
    assert (message.model, message.teacher) == ("models/aligned", "models/base")
    assert (message.task, message.temperature, message.activate) == ("reviews", 2.0, True)
    first, second = message.questions.items
    assert not first.HasField("answer")
    assert (second.question.text, second.answer) == ("Oak?", 0)
    assert message.questions.shots[0].answer == 1
    assert message.questions.teacher_shots[0].question.text == "Elm?"
    assert message.teacher_reading == reading_pb2.Reading(
        format=reading_pb2.FORMAT_LETTER, normalization=reading_pb2.NORMALIZATION_SUM
    )
    assert message.bias_correction == calibration_pb2.BIAS_CORRECTION_BATCH
    assert (message.request_id, message.validate_only) == ("nightly", True)
    assert (message.target_risk, message.target_passed_on) == (0.25, 0.5)


@pytest.mark.parametrize("correction", BiasCorrection)
def test_every_correction_of_bias_is_sent(correction):
    message = fit_of([Scores([0, 1])], bias_correction=correction)
    name = calibration_pb2.BiasCorrection.Name(message.bias_correction)
    expected = "UNSPECIFIED" if correction is BiasCorrection.NONE else correction.name
    assert name == f"BIAS_CORRECTION_{expected}"


def test_scores_are_sent_whole():
    items = [
        Scores([-1.5, -0.5], 1, [-0.25, -2.0], 0.5),
        Scores([-1.0, -2.0]),
        Scores(probabilities=[0.75, 0.25], teacher_probabilities=[0.5, 0.5]),
        Scores(confidence=0.0, correct=False),
    ]
    message = fit_of(items, content_free=[[-3.0, -4.0]])
    first, second, third, last = message.scores.items
    assert list(first.logprobs) == [-1.5, -0.5]
    assert list(first.teacher_logprobs) == [-0.25, -2.0]
    assert (first.answer, first.teacher_format_probability) == (1, 0.5)
    assert not second.HasField("answer")
    assert not second.HasField("teacher_format_probability")
    assert [list(row.logprobs) for row in message.scores.content_free] == [[-3.0, -4.0]]
    assert list(third.probabilities) == [0.75, 0.25]
    assert list(third.teacher_probabilities) == [0.5, 0.5]
    assert last.HasField("confidence")
    assert last.HasField("correct")
    assert {each.name for each in first.DESCRIPTOR.fields} == {
        descriptor.name for item in message.scores.items for descriptor, _ in item.ListFields()
    }


def fit_of(items, **others):
    return _fits.fit_message(items, "aligned", **others)


# Answered


OPTION = {
    "label": "A",
    "logprob": -1.5,
    "probability": 0.25,
    "calibrated_probability": 0.5,
    "score": -0.5,
    "tokens": 3,
    "bytes": 7,
    "unconditional_logprob": -1.0,
    "variants": [" A", "A"],
    "greedy": True,
}
ANSWER = {
    "options": [OPTION, {**OPTION, "label": "B"}],
    "choice": 1,
    "confidence": 0.75,
    "calibrated_confidence": 0.625,
    "calibrated": True,
    "calibrator": "models/a/calibrators/0",
    "format_probability": 0.875,
    "option_mass": 0.5,
    "entropy": 0.125,
    "abstained": True,
    "top_tokens": [{"id": 7, "text": " A", "logprob": -0.25}, {"id": 9, "logprob": -3.0}],
    "permutations": [{"options": [0, 1]}, {"options": [1, 0]}],
    "label_prior": [0.25, 0.75],
    "identity": {
        "model_revision": "m",
        "tokenizer_revision": "t",
        "format_version": 3,
        "engine": "fake 1",
        "dtype": "float64",
    },
    "prompt_tokens": 11,
    "answer_set": [1, 0],
    "low_option_mass": True,
    "raw_because": "no calibrator is active",
    "calibration_stale": True,
    "receipt": b"sealed",
    "answered_by": "models/small",
    "cascade_calibrator": "models/both/calibrators/1",
    "skipped_because": "the threshold was measured with another",
    "cached_tokens": 5,
    "cost": 1.5,
    "kept": True,
}


def test_an_answer_is_read_whole():
    answer = _messages.answer_of(scoring_pb2.Answer(**ANSWER))
    assert answer.calibrated
    read = asdict(answer)
    assert [*map(set, read.pop("options"))] == [set(OPTION)] * 2
    for option, label in zip(answer.options, "AB", strict=True):
        assert asdict(option) == {**OPTION, "label": label, "variants": (" A", "A")}
    assert read == {
        **{name: value for name, value in ANSWER.items() if name not in ("options", "calibrated")},
        "top_tokens": (
            {"id": 7, "text": " A", "logprob": -0.25},
            {"id": 9, "text": "", "logprob": -3.0},
        ),
        "permutations": ((0, 1), (1, 0)),
        "label_prior": (0.25, 0.75),
        "answer_set": (1, 0),
    }


def test_every_field_of_an_answer_is_in_this_test():
    """A field that the contract gets later is read, or left out on purpose."""
    for kind, said in (
        (scoring_pb2.Answer, ANSWER),
        (scoring_pb2.OptionScore, OPTION),
        (scoring_pb2.Identity, ANSWER["identity"]),
        (scoring_pb2.TopToken, ANSWER["top_tokens"][0]),
    ):
        assert {each.name for each in kind.DESCRIPTOR.fields} == said.keys()


def test_what_an_answer_does_not_say_is_none_or_empty():
    message = scoring_pb2.Answer(options=[{"label": "A"}], calibrator="not applied")
    answer = _messages.answer_of(message)
    assert answer.calibrator is None
    assert (answer.top_tokens, answer.permutations, answer.label_prior) == ((), (), ())
    assert answer.options[0].unconditional_logprob is None
    assert answer.options[0].variants == ()


def test_a_model_is_read_whole():
    model = _models.model_of(
        model_pb2.Model(
            name="models/a",
            state=model_pb2.STATE_READY,
            revision="r",
            teacher="models/t",
            base="models/b",
            tokenizer_revision="k",
            engine="fake 1",
            dtype="float64",
            limits={"max_prompt_tokens": 1, "max_options": 2, "max_items": 3},
            prefix_token_id=0,
            state_cause="the store is full",
            calibration_stale_seconds=2.5,
            cascade=["models/small", "models/large"],
        )
    )
    assert asdict(model) == {
        "name": "models/a",
        "ready": True,
        "revision": "r",
        "teacher": "models/t",
        "base": "models/b",
        "tokenizer_revision": "k",
        "max_prompt_tokens": 1,
        "max_options": 2,
        "max_items": 3,
        "engine": "fake 1",
        "dtype": "float64",
        "prefix_token_id": 0,
        "state": ModelState.READY,
        "state_cause": "the store is full",
        "calibration_stale_seconds": 2.5,
        "cascade": ("models/small", "models/large"),
    }
    bare = _models.model_of(model_pb2.Model())
    assert (bare.base, bare.prefix_token_id) == (None, None)
