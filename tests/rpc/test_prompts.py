"""Prompts of the caller's own and formats of the caller's own, over a real channel."""

import grpc
import pytest

from trueodds.v1 import calibration_pb2, model_pb2, question_pb2, reading_pb2, scoring_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LETTER, TEXT = reading_pb2.FORMAT_LETTER, reading_pb2.FORMAT_TEXT
MARKER = "xylophone"
"""A word that no error may repeat."""


def made(options=("tin", "oak"), **prompt):
    return question_pb2.Question(
        options=[{"text": option} for option in options], prompt=question_pb2.Prompt(**prompt)
    )


def user(content, **chat):
    return {"messages": [{"role": "user", "content": content}], **chat}


def tokens(prompt, *options):
    message = question_pb2.Question(options=[{"token_ids": option} for option in options])
    message.prompt.token_ids.ids.extend(prompt)
    return message


FINE = {
    "text": made(text="Which is it?\n"),
    "special text": made(special_text="Which is it?<|end|>"),
    "token ids": tokens([5, 6], [7], [8, 9, 10]),
    "chat": made(chat=user("Which is it?", answer_prefix="It is")),
}

# What only the tokenizer can tell: the question, its field at fault and the reason.
WRONG = {
    "too long": (made(text=f"{MARKER} " * 3000), "prompt", "PROMPT_TOO_LONG"),
    "too long with an option": (
        made(options=("tin", f"{MARKER} " * 3000), text="Which?"),
        "prompt",
        "PROMPT_TOO_LONG",
    ),
    "an unknown token": (tokens([5, 10**6], [7], [8]), "prompt.token_ids", "UNKNOWN_TOKEN"),
    "an unknown token of an option": (
        tokens([5], [7], [8, 2**32 - 1]),
        "options[1].token_ids",
        "UNKNOWN_TOKEN",
    ),
    "options of the same tokens": (
        tokens([5], [7, 8], [7, 8]),
        "options[1].token_ids",
        "OPTIONS_SAME_TOKENS",
    ),
    "the same options": (
        made(options=(MARKER, MARKER), text="Which?"),
        "options[1].text",
        "OPTIONS_SAME_TOKENS",
    ),
    "a special token in a message": (
        made(chat=user(f"{MARKER}<|end|>")),
        "prompt.chat.messages[0].content",
        "SPECIAL_TOKEN_IN_TEXT",
    ),
    "a special token as a role": (
        made(chat={"messages": [{"role": f"<|end|>{MARKER}", "content": ""}]}),
        "prompt.chat.messages[0].role",
        "SPECIAL_TOKEN_IN_TEXT",
    ),
    "a special token before the answer": (
        made(chat=user("Which?", answer_prefix=f"{MARKER}<|end|>")),
        "prompt.chat.answer_prefix",
        "SPECIAL_TOKEN_IN_TEXT",
    ),
    "a special token in an option": (
        made(options=("tin", f"<|end|>{MARKER}"), chat=user("Which?")),
        "options[1].text",
        "SPECIAL_TOKEN_IN_TEXT",
    ),
}


@pytest.mark.parametrize(("message", "field", "reason"), WRONG.values(), ids=WRONG)
class TestWrong:
    """What is wrong with a prompt is told wherever it is asked, and tells nothing of it."""

    def test_of_score(self, service, refused, message, field, reason):
        with refused(INVALID, field=f"question.{field}", reason=reason) as caught:
            service.score(message, format=TEXT)
        assert MARKER not in f"{caught.value.details()} {caught.value.trailing_metadata()}"

    def test_of_a_batch(self, service, details, message, field, reason):
        alone = [service.batch([each], format=TEXT)[0] for each in FINE.values()]
        *fine, wrong = service.batch([*FINE.values(), message], format=TEXT)
        assert fine == alone
        assert all(outcome.HasField("answer") for outcome in fine)
        found = details(wrong.error)
        assert (found["field"], found["reason"]) == (f"questions[4].{field}", reason)
        assert MARKER not in str(wrong)

    def test_of_a_fit(self, service, refused, message, field, reason):
        items = [{"question": FINE["text"]}, {"question": message}]
        # A fit is of one kind of prompt, and that is looked at first.
        if message.prompt.WhichOneof("source") != "text":
            items[0]["question"] = FINE[message.prompt.WhichOneof("source").replace("_", " ")]
        request = calibration_pb2.FitCalibratorRequest(
            model="models/aligned",
            reading=reading_pb2.Reading(format=TEXT),
            method=calibration_pb2.METHOD_TEACHER_KL,
            questions=calibration_pb2.FitQuestions(items=items),
        )
        with refused(INVALID, field=f"questions.items[1].question.{field}", reason=reason):
            list(service.calibration.FitCalibrator(request))


def test_an_option_after_a_prompt_may_be_a_line_break(service, refused):
    directly = reading_pb2.Reading(
        format=reading_pb2.FORMAT_CUSTOM, custom_format={"answer": "{text}"}
    )
    by_text = service.score(made(("\n", "\nB"), text="Which?"), reading=directly).options
    texts = [{"text": text} for text in ("Which?", "Which?\n")]
    request = model_pb2.TokenizeRequest(name="models/aligned", prompts=texts)
    before, whole = (each.ids for each in service.models.Tokenize(request).prompts)
    by_ids = service.score(tokens(before, whole[len(before) :])).options
    assert by_text[0].logprob == by_ids[0].logprob
    with refused(INVALID, field="question.options[0].text"):
        service.score(made(("", "B"), text="Which?"), reading=directly)


def test_a_conversation_is_the_text_that_its_template_makes(service):
    rendered = made(special_text="user: Which is it?<|end|>assistant:It is")
    for reading in (LETTER, TEXT):
        answers = [service.score(each, format=reading) for each in (FINE["chat"], rendered)]
        for answer in answers:
            answer.ClearField("raw_because")  # names the way of reading, which differs
        assert answers[0] == answers[1]


def test_names_of_special_tokens_are_special_in_a_special_text_only(service):
    """One token there, its letters elsewhere."""
    special, plain = (
        service.score(made(**{kind: "Which is <|end|>"}), format=LETTER).prompt_tokens
        for kind in ("special_text", "text")
    )
    assert plain >= special + 4


@pytest.mark.parametrize(
    ("custom", "prompt", "identified"),
    [
        (
            {"question": "Q: {text}\n{options}=>", "option": "[{label}] {text};"},
            "Q: Which?\n[A] tin;[B] oak;=>",
            "",
        ),
        (
            {"question": "{text}\nA:", "identifier": " it is", "answer": " {text}!"},
            "Which?\nA:",
            " it is",
        ),
        ({"question": '{"q": "{text}"}'}, '{"q": "Which?"}', ""),
    ],
)
def test_a_custom_format_is_asked_as_it_is_written(service, custom, prompt, identified):
    """As the prompt that it makes, and the identifier as the prompt's end."""
    reading = reading_pb2.Reading(format=reading_pb2.FORMAT_CUSTOM, custom_format=custom)
    question = question_pb2.Question(text="Which?", options=[{"text": "tin"}, {"text": "oak"}])
    asked = service.score(question, reading=reading)
    by_hand = service.score(
        made(text=prompt + identified),
        format=TEXT if "{text}" in custom.get("answer", "") else LETTER,
    )
    for option, other in zip(asked.options, by_hand.options, strict=True):
        assert option.logprob == pytest.approx(other.logprob)
        assert option.tokens == other.tokens
    assert asked.prompt_tokens == by_hand.prompt_tokens
    assert (asked.format_probability == asked.option_mass) == (not identified)


def test_shots_of_a_custom_format_are_written_in_it(service):
    custom = {"question": "{text} =>", "answer": " {text}", "separator": " ; "}
    reading = reading_pb2.Reading(format=reading_pb2.FORMAT_CUSTOM, custom_format=custom)
    question = question_pb2.Question(text="Which?", options=[{"text": "tin"}, {"text": "oak"}])
    shot = question_pb2.Shot(question=question, answer=1)
    asked = service.score(question, reading=reading, shots=[shot])
    by_hand = service.score(made(text="Which? => oak ; Which? =>"), format=TEXT)
    assert [option.logprob for option in asked.options] == [
        option.logprob for option in by_hand.options
    ]


def test_a_fit_shares_its_options(service, task):
    """It is the fit of the same questions with options of their own."""
    options = [{"text": "tin"}, {"text": "oak"}, {"text": "ash"}]
    ids = []
    for shared in (True, False):
        own = {} if shared else {"options": options}
        items = [{"question": {"text": f"{number}?", **own}} for number in range(5)]
        questions = {"items": items, **({"options": options} if shared else {})}
        request = calibration_pb2.FitCalibratorRequest(
            model="models/aligned",
            task=task,
            method=calibration_pb2.METHOD_TEACHER_KL,
            questions=calibration_pb2.FitQuestions(**questions),
        )
        *_, last = service.calibration.FitCalibrator(request)
        ids.append(last.calibrator.name)
        assert last.calibrator.scope.options == 3
    assert ids[0] == ids[1]


def test_a_fit_is_of_one_kind_of_prompt(service, refused):
    items = [{"question": FINE["text"]}] * 2 + [{"question": FINE["chat"]}]
    request = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        method=calibration_pb2.METHOD_TEACHER_KL,
        questions=calibration_pb2.FitQuestions(items=items),
    )
    with refused(INVALID, field="questions.items[2].question.prompt"):
        list(service.calibration.FitCalibrator(request))


@pytest.mark.parametrize("kind", FINE)
def test_a_calibrator_of_a_kind_of_prompt_is_for_that_kind(service, task, kind):
    request = calibration_pb2.FitCalibratorRequest(
        model="models/aligned",
        task=task,
        method=calibration_pb2.METHOD_TEACHER_KL,
        questions=calibration_pb2.FitQuestions(items=[{"question": FINE[kind]}] * 2),
        activate=True,
    )
    *_, last = service.calibration.FitCalibrator(request)
    prefix = {"text": "prompt", "special text": "prompt", "token ids": "tokens", "chat": "chat"}
    assert last.calibrator.scope.reading == f"{prefix[kind]}+paren"
    batch = service.batch(FINE.values(), task=task)
    for other, outcome in zip(FINE, batch, strict=True):
        assert outcome.answer.calibrated == (prefix[other] == prefix[kind])


@pytest.mark.parametrize("answer_format", [LETTER, TEXT])
def test_128_options_are_scored(service, refused, answer_format):
    message = question_pb2.Question(text="Which?")
    for number in range(129):
        message.options.add(text=f"class {number}", label=str(number))
    with refused(INVALID, field="question.options"):
        service.score(message, format=answer_format)
    del message.options[128]
    answer = service.score(message, format=answer_format)
    assert [option.label for option in answer.options] == [str(number) for number in range(128)]
    assert sum(option.probability for option in answer.options) == pytest.approx(1)


def test_the_identity_says_everything_that_the_numbers_depend_on(service, start_service):
    answer = service.score(FINE["chat"], format=TEXT)
    for each in scoring_pb2.Identity.DESCRIPTOR.fields:
        assert getattr(answer.identity, each.name), each.name
    again = start_service().score(FINE["text"], format=LETTER)
    assert again.identity == answer.identity
