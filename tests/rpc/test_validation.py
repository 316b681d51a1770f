"""Every rule for a request: what breaks it is INVALID_ARGUMENT and names its field."""

import math

import grpc
import pytest

from trueodds._legible import is_legible as client_is_legible
from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, reading_pb2, scoring_pb2
from trueodds_service.rpc.legible import is_legible

INVALID = grpc.StatusCode.INVALID_ARGUMENT
TEMPERATURE = calibration_pb2.METHOD_TEMPERATURE
TEACHER_KL = calibration_pb2.METHOD_TEACHER_KL
CONSTANT = calibration_pb2.METHOD_CONSTANT
IDENTITY = calibration_pb2.METHOD_IDENTITY
AUTO = calibration_pb2.METHOD_AUTO
BATCH = calibration_pb2.BIAS_CORRECTION_BATCH
CONTEXTUAL = calibration_pb2.BIAS_CORRECTION_CONTEXTUAL
LABELLED = ("TEMPERATURE", "KDE", "VECTOR", "MATRIX", "ISOTONIC", "BETA", "SCALING_BINNING")
TAUGHT = ("TEACHER_KL", "AGREEMENT_KL", "TEACHER_POOLED")
CYCLIC = reading_pb2.ORDER_CORRECTION_CYCLIC
PRIOR = reading_pb2.ORDER_CORRECTION_PRIOR
CALIBRATOR = "models/{}/calibrators/0123456789abcdef"


def _set(path, value):
    """Sets a field, such as options[1].label, of a message."""

    def change(message):
        *parents, last = path.split(".")
        for parent in parents:
            name, _, index = parent.partition("[")
            message = getattr(message, name)
            if index:
                message = message[int(index[:-1])]
        setattr(message, last, value)

    return change


def _clear(path):
    def change(message):
        message.ClearField(path)

    return change


def _options(count):
    def change(message):
        del message.options[:]
        message.options.extend(
            question_pb2.Option(text="option", label="") for index in range(count)
        )

    return change


def _labels(*labels):
    def change(message):
        for option, label in zip(message.options, labels, strict=True):
            option.label = label

    return change


def _token_ids(message):
    message.options[1].token_ids.append(5)


def _prompt(**source):
    return lambda message: message.prompt.CopyFrom(question_pb2.Prompt(**source))


QUESTION_RULES = {
    "text required": (_clear("text"), "text"),
    "text not blank": (_set("text", " \n\t"), "text"),
    "no options": (_options(0), "options"),
    "one option": (_options(1), "options"),
    "too many options": (_options(129), "options"),
    "option text required": (_set("options[2].text", ""), "options[2].text"),
    "option text not blank": (_set("options[0].text", " "), "options[0].text"),
    "labels for all or none": (_set("options[1].label", "B"), "options[0].label"),
    "labels differ": (_labels("A", "B", "C", "B"), "options[3].label"),
    "label printable": (_labels("A", "B\n", "C", "D"), "options[1].label"),
    "label without space": (_labels(" A", "B", "C", "D"), "options[0].label"),
    "label not too long": (_labels("A", "B", "C", "D" * 65), "options[3].label"),
    "tokens for a prompt of tokens only": (_token_ids, "options[1].token_ids"),
    "a prompt instead of a text": (_prompt(text="Answer:"), "text"),
    "prompt not too long": (_set("text", "long " * 2000), "text"),
}


@pytest.mark.parametrize(("change", "field"), QUESTION_RULES.values(), ids=QUESTION_RULES)
class TestQuestion:
    """A rule holds wherever a request has a question."""

    def test_of_score(self, service, question, refused, change, field):
        message = question()
        change(message)
        with refused(INVALID, field=f"question.{field}"):
            service.score(message)

    def test_of_a_batch(self, service, question, details, change, field):
        message = question()
        change(message)
        fine, wrong = service.batch([question(), message])
        assert fine.WhichOneof("outcome") == "answer"
        found = details(wrong.error)
        assert found["field"] == f"questions[1].{field}"
        assert found["reason"]

    def test_of_a_fit(self, service, question, refused, change, field):
        message = question()
        change(message)
        request = calibration_pb2.FitCalibratorRequest(
            model="models/aligned", task="never stored", method=TEACHER_KL
        )
        for each in (question(), message):
            request.questions.items.add(question=each)
        with refused(INVALID, field=f"questions.items[1].question.{field}"):
            list(service.calibration.FitCalibrator(request))


SHOT_RULES = {
    name: rule
    for name, rule in QUESTION_RULES.items()
    # What only the tokens of a whole prompt tell is said of the question that is asked.
    if name != "prompt not too long" and "prompt of" not in name and "a prompt" not in name
}


@pytest.mark.parametrize(("change", "field"), SHOT_RULES.values(), ids=SHOT_RULES)
def test_the_question_of_a_shot(service, question, refused, change, field):
    message = question()
    change(message)
    shots = [
        question_pb2.Shot(question=question(), answer=0),
        question_pb2.Shot(question=message, answer=0),
    ]
    with refused(INVALID, field=f"settings.shots[1].question.{field}"):
        service.score(question(), shots=shots)


@pytest.mark.parametrize("answer", [None, -1, 4, 2**31 - 1])
def test_the_answer_of_a_shot(service, question, refused, answer):
    shot = question_pb2.Shot(question=question(), answer=answer)
    with refused(INVALID, field="settings.shots[0].answer"):
        service.score(question(), shots=[shot])


def test_the_number_of_shots(service, question, refused):
    shot = question_pb2.Shot(question=question("?", options=2), answer=0)
    with refused(INVALID, field="settings.shots"):
        service.score(question(), shots=[shot] * 65)


@pytest.mark.parametrize("format", reading_pb2.Format.values()[1:4])
def test_options_beyond_z_are_labelled_aa_and_so_on(service, question, format):  # noqa: A002
    options = service.score(question(options=128), format=format).options
    assert [options[index].label for index in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]
    assert len({option.label for option in options}) == 128


SETTINGS_RULES = {
    "model required": ({"model": ""}, "model"),
    "model a resource name": ({"model": "aligned"}, "model"),
    "model one segment": ({"model": "models/a/b"}, "model"),
    "model in lower case": ({"model": "models/Aligned"}, "model"),
    "model not too long": ({"model": "models/" + "a" * 64}, "model"),
    "task not too long": ({"task": "t" * 201}, "task"),
    "task printable": ({"task": "a\nb"}, "task"),
    "task without space": ({"task": " a"}, "task"),
    "a known format": ({"format": 99}, "reading.format"),
    "option mass a probability": ({"min_option_mass": 1.1}, "min_option_mass"),
    "option mass a number": ({"min_option_mass": math.nan}, "min_option_mass"),
    "not too many top tokens": ({"top_tokens": 21}, "top_tokens"),
    "no negative top tokens": ({"top_tokens": -1}, "top_tokens"),
    "calibrator a resource name": ({"calibrator": "0123456789abcdef"}, "calibrator"),
    "calibrator in hexadecimal": ({"calibrator": CALIBRATOR.format("x") + "g"}, "calibrator"),
    "calibrator of the model": ({"calibrator": CALIBRATOR.format("base")}, "calibrator"),
}


@pytest.mark.parametrize(("settings", "field"), SETTINGS_RULES.values(), ids=SETTINGS_RULES)
class TestSettings:
    def test_of_score(self, service, question, refused, settings, field):
        with refused(INVALID, field=f"settings.{field}"):
            service.score(question(), **settings)

    def test_of_a_batch_fail_it_whole(self, service, question, refused, settings, field):
        with refused(INVALID, field=f"settings.{field}"):
            service.batch([question()], **settings)


def test_a_request_without_anything(service, refused):
    with refused(INVALID, field="settings.model"):
        service.scoring.Score(scoring_pb2.ScoreRequest())
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    with refused(INVALID, field="question.text"):
        service.scoring.Score(scoring_pb2.ScoreRequest(settings=settings))


PMI = reading_pb2.NORMALIZATION_PMI
BYTES = reading_pb2.NORMALIZATION_BYTES
CUSTOM = reading_pb2.FORMAT_CUSTOM
HALVES = [0.25] * 4

READING_RULES = {
    "a known normalization": ({"normalization": 99}, "normalization"),
    "a known correction": ({"order_correction": 99}, "order_correction"),
    "a custom format": ({"format": CUSTOM}, "custom_format"),
    "a custom format for CUSTOM only": ({"custom_format": {}}, "custom_format"),
    "a place for the text": (
        {"format": CUSTOM, "custom_format": {"question": "{passage}"}},
        "custom_format.question",
    ),
    "something to read": (
        {"format": CUSTOM, "custom_format": {"answer": " yes"}},
        "custom_format.answer",
    ),
    "one thing to read": (
        {"format": CUSTOM, "custom_format": {"answer": "{label}{text}"}},
        "custom_format.answer",
    ),
    "templates not too long": (
        {"format": CUSTOM, "custom_format": {"separator": "-" * 10_001}},
        "custom_format.separator",
    ),
    "a prompt for PMI": ({"normalization": PMI}, "unconditional_prompt.source"),
    "a prompt for PMI only": (
        {"normalization": BYTES, "unconditional_prompt": {"text": "Answer:"}},
        "unconditional_prompt",
    ),
    "a prompt for PMI that says something": (
        {"normalization": PMI, "unconditional_prompt": {"text": ""}},
        "unconditional_prompt.text",
    ),
    "known tokens for PMI": (
        {"normalization": PMI, "unconditional_prompt": {"token_ids": {"ids": [10**6]}}},
        "unconditional_prompt.token_ids",
    ),
    "a prior for PRIOR only": ({"label_prior": HALVES}, "label_prior"),
    "a prior of probabilities": (
        {"order_correction": PRIOR, "label_prior": [0.5, 0.5, 0.0, 0.0]},
        "label_prior[2]",
    ),
    "a prior of numbers": (
        {"order_correction": PRIOR, "label_prior": [0.5, math.nan]},
        "label_prior[1]",
    ),
    "a prior that sums to one": (
        {"order_correction": PRIOR, "label_prior": [0.5, 0.4]},
        "label_prior",
    ),
    "a prior of two labels": ({"order_correction": PRIOR, "label_prior": [1.0]}, "label_prior"),
}


@pytest.mark.parametrize(("reading", "field"), READING_RULES.values(), ids=READING_RULES)
def test_a_reading(service, question, refused, reading, field):
    with refused(INVALID, field=f"settings.reading.{field}"):
        service.score(question(), reading=reading_pb2.Reading(**reading))


PROMPT_RULES = {
    "a source": ({}, {}, "prompt.source"),
    "a text": ({"text": ""}, {}, "prompt.text"),
    "a special text": ({"special_text": ""}, {}, "prompt.special_text"),
    "tokens": ({"token_ids": {}}, {}, "prompt.token_ids.ids"),
    "known tokens": ({"token_ids": {"ids": [5, 10**6]}}, {"tokens": True}, "prompt.token_ids"),
    "tokens of the options": ({"token_ids": {"ids": [5]}}, {}, "options[0].token_ids"),
    "messages": ({"chat": {}}, {}, "prompt.chat.messages"),
    "a role": ({"chat": {"messages": [{"content": "a"}]}}, {}, "prompt.chat.messages[0].role"),
    "no shots": ({"text": "Answer:"}, {"shots": 1}, "prompt"),
    "one order": (
        {"text": "Answer:"},
        {"reading": reading_pb2.Reading(order_correction=CYCLIC)},
        "prompt",
    ),
    "texts that are read": (
        {"text": "Answer:"},
        {"reading": reading_pb2.Reading(format=reading_pb2.FORMAT_TEXT)},
        "options[0].text",
    ),
}


@pytest.mark.parametrize(("source", "others", "field"), PROMPT_RULES.values(), ids=PROMPT_RULES)
def test_a_prompt_of_the_callers_own(service, question, refused, source, others, field):
    message = question_pb2.Question(prompt=question_pb2.Prompt(**source))
    for index in range(2):
        message.options.add(token_ids=[7 + index] if others.get("tokens") else [])
    settings = {name: value for name, value in others.items() if name == "reading"}
    if others.get("shots"):
        settings["shots"] = [question_pb2.Shot(question=question(options=2), answer=0)]
    with refused(INVALID, field=f"question.{field}"):
        service.score(message, **settings)


@pytest.mark.parametrize("count", [0, 9])
def test_the_number_of_questions(start_service, question, refused, count):
    service = start_service(limits={"max_items": 8})
    assert len(service.batch([question()] * 8)) == 8
    with refused(INVALID, field="questions"):
        service.batch([question()] * count)


def _scores(*items, method=TEACHER_KL, content_free=(), every=None):
    """``every`` is how likely the teacher answers in its format, where an item does not say."""
    return {
        "method": method,
        "scores": calibration_pb2.FitScores(
            items=[
                calibration_pb2.FitScore(**{"teacher_format_probability": every, **item})
                for item in items
            ],
            content_free=[calibration_pb2.OptionScores(logprobs=row) for row in content_free],
        ),
    }


def _score(logprobs=(-1, -2), teacher=(-1, -1), **others):
    return {"logprobs": logprobs, "teacher_logprobs": teacher, **others}


FIT_RULES = {
    "model required": ({"model": ""}, "model"),
    "task printable": ({"task": "\0"}, "task"),
    "a known format": ({"reading": {"format": 99}}, "reading.format"),
    "a prior of its own": ({"reading": {"order_correction": PRIOR}}, "reading.label_prior"),
    "method required": ({"method": 0}, "method"),
    "a known method": ({"method": 99}, "method"),
    "temperature for CONSTANT only": ({"method": IDENTITY, "temperature": 2}, "temperature"),
    "temperature not too low": ({"temperature": 0.0009}, "temperature"),
    "temperature not too high": ({"temperature": 1001}, "temperature"),
    "temperature not below zero": ({"temperature": -1}, "temperature"),
    "temperature a number": ({"temperature": math.nan}, "temperature"),
    "temperature finite": ({"temperature": math.inf}, "temperature"),
    "teacher for teacher_kl only": (
        {"teacher": "models/base", "method": "METHOD_TEMPERATURE"},
        "teacher",
    ),
    "teacher of no scores": ({"teacher": "models/base", **_scores(_score())}, "teacher"),
    "teacher a resource name": ({"teacher": "base"}, "teacher"),
    "a source": ({"options": None}, "source"),
    "options to choose": ({"method": AUTO}, "source"),
    "a known bias correction": ({"bias_correction": 9}, "bias_correction"),
    "data for a bias correction": ({"bias_correction": BATCH}, "bias_correction"),
    "rows for CONTEXTUAL": (
        {**_scores(_score(), _score()), "bias_correction": CONTEXTUAL},
        "scores.content_free",
    ),
    "content-free rows for CONTEXTUAL only": (
        _scores(_score(), _score(), content_free=[[-1, -2]]),
        "scores.content_free",
    ),
    "content-free rows as long": (
        {
            **_scores(_score(), _score(), content_free=[[-1, -2], [-1]]),
            "bias_correction": CONTEXTUAL,
        },
        "scores.content_free[1].logprobs",
    ),
    "a request id of some length": ({"request_id": "x" * 129}, "request_id"),
    "a request id printable": ({"request_id": "\n"}, "request_id"),
    "a reading of a teacher only": ({"teacher_reading": {}}, "teacher_reading"),
    "a teacher's format, of all": (
        _scores(_score(teacher_format_probability=1), _score()),
        "scores.items[1].teacher_format_probability",
    ),
    "a teacher's format, a probability": (
        _scores(_score(), _score(), _score(teacher_format_probability=1.1), every=0.5),
        "scores.items[2].teacher_format_probability",
    ),
    "a teacher of all or none to choose": (
        _scores(_score(), _score(teacher=[]), method=AUTO),
        "scores.items[1].teacher_logprobs",
    ),
    "data for TEACHER_KL": ({"method": TEACHER_KL}, "source"),
    "data for TEMPERATURE": ({"method": TEMPERATURE}, "source"),
    "two options": ({"options": 1}, "options"),
    "not too many options": ({"options": 129}, "options"),
    "a score": (_scores(), "scores.items"),
    "two logprobs": (_scores(_score([-1], [-1])), "scores.items[0].logprobs"),
    "not too many logprobs": (_scores(_score([-1] * 129, [-1] * 129)), "scores.items[0].logprobs"),
    "one number of logprobs": (
        _scores(_score(), _score([-1, -2, -3], [-1, -2, -3])),
        "scores.items[1].logprobs",
    ),
    "logprobs not NaN": (_scores(_score([-1, math.nan])), "scores.items[0].logprobs"),
    "logprobs not +inf": (_scores(_score([-1, math.inf])), "scores.items[0].logprobs"),
    "logprobs not huge": (_scores(_score([0, -1.1e100])), "scores.items[0].logprobs"),
    "teacher not huge": (_scores(_score(teacher=[0, 1.1e100])), "scores.items[0].teacher_logprobs"),
    "logprobs finite": (_scores(_score([-1, -math.inf])), "scores.items[0].logprobs"),
    "teacher finite": (
        _scores(_score(), _score(teacher=[-1, -math.inf])),
        "scores.items[1].teacher_logprobs",
    ),
    "logprobs with mass": (_scores(_score([-math.inf] * 2)), "scores.items[0].logprobs"),
    "teacher required": (_scores(_score(teacher=[])), "scores.items[0].teacher_logprobs"),
    "teacher as long": (_scores(_score(teacher=[-1] * 3)), "scores.items[0].teacher_logprobs"),
    "teacher not NaN": (
        _scores(_score(), _score(teacher=[-1, math.nan])),
        "scores.items[1].teacher_logprobs",
    ),
    "answer an option": (
        _scores(_score(answer=0), _score(answer=2), method=TEMPERATURE),
        "scores.items[1].answer",
    ),
    "answer not negative": (
        _scores(_score(answer=-1), method=TEMPERATURE),
        "scores.items[0].answer",
    ),
    **{
        f"five answers for {name}": (
            _scores(*[_score(answer=0)] * 4, *[_score()] * 9, method=f"METHOD_{name}"),
            "scores.items",
        )
        for name in LABELLED
    },
    **{
        f"two items for {name}": (_scores(_score(), method=f"METHOD_{name}"), "scores.items")
        for name in TAUGHT
    },
}


@pytest.mark.parametrize(("change", "field"), FIT_RULES.values(), ids=FIT_RULES)
def test_a_fit(service, refused, change, field):
    fields = {"model": "models/aligned", "task": "never stored", "method": CONSTANT, **change}
    if "scores" not in fields:
        fields = {"options": 4, **fields}
    with refused(INVALID, field=field):
        list(service.calibration.FitCalibrator(calibration_pb2.FitCalibratorRequest(**fields)))
    listing = calibration_pb2.ListCalibratorsRequest(model="models/aligned", task="never stored")
    assert not service.calibration.ListCalibrators(listing).calibrators


class TestFitQuestions:
    """What a fit asks of its questions beyond what every question has to be."""

    @staticmethod
    def fit(service, questions, *, method=TEACHER_KL, answers=(), model="models/aligned", **fields):
        request = calibration_pb2.FitCalibratorRequest(model=model, method=method, **fields)
        request.questions.SetInParent()
        for index, question in enumerate(questions):
            answer = answers[index] if index < len(answers) else None
            request.questions.items.add(question=question, answer=answer)
        return list(service.calibration.FitCalibrator(request))

    def test_one_at_least(self, service, refused):
        with refused(INVALID, field="questions.items"):
            self.fit(service, [])

    def test_not_too_many(self, start_service, question, refused):
        service = start_service(limits={"max_fit_items": 3})
        assert self.fit(service, [question()] * 3)
        with refused(INVALID, field="questions.items"):
            self.fit(service, [question()] * 4)

    def test_enough_for_the_method(self, service, question, refused):
        with refused(INVALID, field="questions.items", reason="TOO_FEW_ITEMS"):
            self.fit(service, [question()])

    def test_one_number_of_options(self, service, question, refused):
        with refused(INVALID, field="questions.items[1].question.options"):
            self.fit(service, [question(options=4), question(options=3)])

    @pytest.mark.parametrize("method", LABELLED)
    def test_enough_answers_for_the_method(self, service, question, refused, method):
        with refused(INVALID, field="questions.items", reason="TOO_FEW_ITEMS"):
            self.fit(service, [question()] * 9, method=f"METHOD_{method}", answers=[0] * 4)

    def test_a_text_for_what_asks_without_content(self, service, question, refused):
        prompted = question()
        prompted.text = ""
        prompted.prompt.text = "Which?"
        with refused(INVALID, field="bias_correction"):
            self.fit(service, [prompted] * 3, bias_correction=CONTEXTUAL)

    def test_a_format_that_says_something_without_content(self, service, question, refused):
        """What the service asks by itself has no field in the request."""
        bare = {"format": "FORMAT_CUSTOM", "custom_format": {"question": "{text}"}}
        with refused(INVALID, field="bias_correction", reason="EMPTY_PROMPT"):
            self.fit(service, [question()] * 3, bias_correction=CONTEXTUAL, reading=bare)

    def test_one_content_free_row_is_enough(self, service):
        settings = _scores(_score(), _score(), content_free=[[-1, -2]])
        request = calibration_pb2.FitCalibratorRequest(
            model="models/aligned", **settings, bias_correction=CONTEXTUAL
        )
        *_, last = service.calibration.FitCalibrator(request)
        assert last.calibrator.bias_correction == CONTEXTUAL

    def test_shots_of_a_teacher_where_there_is_one(self, service, question, refused):
        request = calibration_pb2.FitCalibratorRequest(model="models/aligned", method=TEMPERATURE)
        request.questions.items.add(question=question(), answer=0)
        request.questions.teacher_shots.add(question=question(), answer=0)
        with refused(INVALID, field="questions.teacher_shots"):
            list(service.calibration.FitCalibrator(request))

    def test_shots_of_a_teacher_are_checked(self, service, question, refused):
        request = calibration_pb2.FitCalibratorRequest(model="models/aligned", method=TEACHER_KL)
        request.questions.items.add(question=question())
        request.questions.teacher_shots.add(question=question())
        with refused(INVALID, field="questions.teacher_shots[0].answer"):
            list(service.calibration.FitCalibrator(request))

    def test_the_reading_of_a_teacher_is_checked(self, service, question, refused):
        with refused(INVALID, field="teacher_reading.format"):
            self.fit(service, [question()] * 3, teacher_reading={"format": 99})

    def test_a_question_that_the_teacher_cannot_be_asked(self, service, question, refused):
        letters = question()
        letters.text = ""
        letters.prompt.text = "Which?"
        for option in letters.options:
            option.text = ""
        text = {"format": "FORMAT_TEXT"}
        with refused(INVALID, field="questions.items[0].question.options[0].text"):
            self.fit(service, [letters] * 3, teacher_reading=text)

    @pytest.mark.parametrize("answer", [-1, 4])
    def test_an_answer_is_an_option(self, service, question, refused, answer):
        with refused(INVALID, field="questions.items[1].answer"):
            self.fit(service, [question()] * 2, answers=[0, answer])

    def test_shots_are_checked(self, service, question, refused):
        request = calibration_pb2.FitCalibratorRequest(model="models/aligned", method=TEACHER_KL)
        request.questions.items.add(question=question())
        request.questions.shots.add(question=question())
        with refused(INVALID, field="questions.shots[0].answer"):
            list(service.calibration.FitCalibrator(request))

    def test_a_teacher_where_none_is_configured(self, service, question, refused):
        with refused(INVALID, field="teacher"):
            self.fit(service, [question()] * 2, model="models/base")

    def test_not_itself_as_the_teacher(self, service, question, refused):
        with refused(INVALID, field="teacher"):
            self.fit(service, [question()] * 2, teacher="models/aligned")


@pytest.mark.parametrize(
    "name", ["", "x", "models/aligned", "models/aligned/calibrators/", CALIBRATOR.format("A")]
)
@pytest.mark.parametrize("method", ["Get", "Activate", "Rollback"])
def test_the_name_of_a_calibrator(service, refused, method, name):
    request = getattr(calibration_pb2, f"{method}CalibratorRequest")(name=name)
    with refused(INVALID, field="name"):
        getattr(service.calibration, f"{method}Calibrator")(request)


@pytest.mark.parametrize("name", ["", "aligned", "models/", "models/aligned/calibrators/00"])
def test_the_name_of_a_model(service, refused, name):
    with refused(INVALID, field="name"):
        service.models.GetModel(model_pb2.GetModelRequest(name=name))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": ""}, "model"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "no token"}, "page_token"),
        ({"task": "a\nb"}, "task"),
    ],
)
def test_a_listing(service, refused, fields, field):
    request = calibration_pb2.ListCalibratorsRequest(**{"model": "models/aligned", **fields})
    with refused(INVALID, field=field):
        service.calibration.ListCalibrators(request)


LEGIBLE = ("क्‍ष", "می‌خواهم", "ถูก", "日本語", "👩‍🔬", "Ünïcödé", "עִבְרִית", "a b")
MISLEADING = ("a\u202eb", "\u2066a", "a\ufeffb", "a\nb", "a\u2028b", "\u200d", " a", "a\u3000")


@pytest.mark.parametrize("name", LEGIBLE)
def test_labels_and_tasks_are_of_any_script(service, name):
    """Hindi and Persian are written with joiners."""
    question = {
        "text": "Which?",
        "options": [{"text": "x", "label": name}, {"text": "y", "label": f"{name}2"}],
    }
    settings = {"model": "models/aligned", "task": name}
    answer = service.scoring.Score(
        scoring_pb2.ScoreRequest(settings=settings, question=question)
    ).answer
    assert answer.options[0].label == name


@pytest.mark.parametrize("name", MISLEADING, ids=ascii)
def test_labels_and_tasks_that_mislead_are_refused(service, name):
    settings = {"model": "models/aligned"}
    options = [{"text": "x", "label": name}, {"text": "y", "label": "b"}]
    for wrong in (
        {"settings": settings, "question": {"text": "Which?", "options": options}},
        {
            "settings": {**settings, "task": name},
            "question": {"text": "Which?", "options": [{"text": "x"}, {"text": "y"}]},
        },
    ):
        with pytest.raises(grpc.RpcError) as caught:
            service.scoring.Score(scoring_pb2.ScoreRequest(**wrong))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", [*LEGIBLE, *MISLEADING], ids=ascii)
def test_the_client_and_the_service_agree_on_what_is_legible(name):
    """The client's reader of files checks a row's task before it is sent."""
    assert is_legible(name) == client_is_legible(name) == (name in LEGIBLE)
