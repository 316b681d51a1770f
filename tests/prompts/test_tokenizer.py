"""Prompts in tokens: the label's token is the one that the model would write after the prompt."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import Format, answer, render
from trueodds_service.prompts.question import Question, Shot, letters
from trueodds_service.prompts.tokenizer import PromptTokenizer

# What tends to merge with its neighbours, among anything else.
TEXT = st.text(
    st.sampled_from(" \n\r\tA(:.é▁") | st.characters(exclude_categories=["Cs"]), max_size=12
)
OWN_LABELS = st.lists(
    st.sampled_from(["A", "B", "a", "Z", "1", "yes", "(", ".", "é", "AB"]),
    min_size=2,
    max_size=4,
    unique=True,
)


@st.composite
def questions(draw):
    options = draw(st.lists(TEXT, min_size=2, max_size=4))
    labels = letters(len(options))
    if draw(st.booleans()):
        labels = tuple(draw(OWN_LABELS))
        options = [draw(TEXT) for _ in labels]
    return Question(draw(TEXT), tuple(options), labels, passage=draw(TEXT))


def asked(text="Which one is it?", labels=("A", "B"), passage=""):
    return Question(text, tuple(f"option {label}" for label in labels), labels, passage)


def written(tokenizer, question, shots, answer_format):
    """What joint tokenisation says: the tokens up to each label, or None where one is no token."""
    prompt = render(question, shots, answer_format)
    before = tokenizer(prompt)["input_ids"]
    lead = {Format.PAREN: " (", Format.LETTER: " "}[answer_format]
    if answer_format is Format.PAREN:
        before = tokenizer(prompt + lead)["input_ids"]
        if before[:-1] != tokenizer(prompt)["input_ids"]:
            return None
    wholes = [tokenizer(prompt + lead + label)["input_ids"] for label in question.labels]
    if any(whole[:-1] != before for whole in wholes):
        return None
    return None if len({tuple(whole) for whole in wholes}) < len(wholes) else wholes


@pytest.mark.parametrize("answer_format", Format)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.lists(questions(), min_size=1, max_size=3), shot=questions())
def test_a_label_is_what_it_adds_to_the_prompt(family, answer_format, batch, shot):
    """For any text, and also where the tokenizer has met other questions before."""
    shots = [Shot(shot, 0)]
    outcomes = PromptTokenizer(family, 10_000).prompts(batch, shots, answer_format)
    for question, outcome in zip(batch, outcomes, strict=True):
        expected = written(family, question, shots, answer_format)
        if expected is None:
            assert isinstance(outcome, InvalidInput)
        else:
            assert isinstance(outcome, TokenPrompt)
            forced = () if outcome.identifier is None else (outcome.identifier,)
            assert [[*outcome.prompt, *forced, token] for token in outcome.options] == expected


@pytest.mark.parametrize("answer_format", Format)
def test_every_family_can_answer_with_letters(family, answer_format):
    question = asked(labels=letters(26))
    [prompt] = PromptTokenizer(family, 1000).prompts([question], [], answer_format)
    assert isinstance(prompt, TokenPrompt)
    assert len(set(prompt.options)) == 26
    assert (prompt.identifier is not None) == (answer_format is Format.PAREN)


def test_a_format_is_read_as_if_no_other_had_been(family):
    used = PromptTokenizer(family, 1000)
    for answer_format in [*Format, *Format]:
        fresh = PromptTokenizer(family, 1000)
        assert used.prompts([asked()], [], answer_format) == fresh.prompts(
            [asked()], [], answer_format
        )


def test_a_prompt_begins_as_every_text_of_its_model(odd):
    tokenizer = odd("with_bos")
    for prompt in tokenizer.prompts([asked(), asked("Another?")], [], Format.PAREN):
        assert prompt.prompt[0] == 0
        assert 0 not in prompt.prompt[1:]


@pytest.mark.parametrize(
    ("maker", "answer_format", "labels", "field", "reason"),
    [
        # " (A" is one token, so "A" cannot be read after " (".
        ("merging_paren", Format.PAREN, "AB", "options[0].label", "LABEL_NOT_ONE_TOKEN"),
        ("single_bytes", Format.PAREN, "AB", "format", "FORMAT_IDENTIFIER_NOT_ONE_TOKEN"),
        ("merging_colon", Format.PAREN, "AB", "format", "FORMAT_IDENTIFIER_NOT_ONE_TOKEN"),
        ("splitting_answer", Format.PAREN, "AB", "format", "FORMAT_IDENTIFIER_NOT_ONE_TOKEN"),
        ("splitting_answer", Format.LETTER, "AB", "options[0].label", "LABEL_NOT_ONE_TOKEN"),
        ("single_bytes", Format.LETTER, "AB", "options[0].label", "LABEL_NOT_ONE_TOKEN"),
        ("byte_level", Format.PAREN, ["A", "two words"], "options[1].label", "LABEL_NOT_ONE_TOKEN"),
        ("byte_level", Format.LETTER, ["A", "B", "é"], "options[2].label", "LABEL_NOT_ONE_TOKEN"),
        ("lower_case", Format.PAREN, "ABa", "options[2].label", "LABELS_SAME_TOKEN"),
    ],
)
def test_what_cannot_be_read_is_refused(odd, maker, answer_format, labels, field, reason):
    [error] = odd(maker).prompts([asked(labels=tuple(labels))], [], answer_format)
    assert isinstance(error, InvalidInput)
    assert (error.field, error.reason) == (field, reason)
    if field.startswith("options"):
        assert repr(labels[int(field[len("options[") : field.index("]")])]) in error.message


def test_another_format_can_do_where_one_cannot(odd):
    tokenizer = odd("merging_colon_keeping_letters")
    [paren] = tokenizer.prompts([asked()], [], Format.PAREN)
    [letter] = tokenizer.prompts([asked()], [], Format.LETTER)
    assert "use another format" in paren.message
    assert isinstance(letter, TokenPrompt)


def test_a_question_that_cannot_be_read_leaves_the_others_alone(odd):
    batch = [asked(), asked(labels=("A", "two words")), asked("Another?")]
    good, bad, other = odd("byte_level").prompts(batch, [], Format.PAREN)
    assert isinstance(bad, InvalidInput)
    assert [good] == odd("byte_level").prompts(batch[:1], [], Format.PAREN)
    assert [other] == odd("byte_level").prompts(batch[2:], [], Format.PAREN)


@pytest.mark.parametrize("answer_format", Format)
def test_a_prompt_that_is_too_long_is_refused_and_never_cut(family, answer_format):
    question = asked("Which one? " * 20)
    [whole] = PromptTokenizer(family, 10_000).prompts([question], [], answer_format)
    [fits] = PromptTokenizer(family, whole.length).prompts([question], [], answer_format)
    [refused] = PromptTokenizer(family, whole.length - 1).prompts([question], [], answer_format)
    assert fits == whole
    assert (refused.field, refused.reason) == ("text", "PROMPT_TOO_LONG")
    assert str(whole.length) in refused.message
    assert str(whole.length - 1) in refused.message


def test_shots_count_towards_the_length(odd):
    shots = [Shot(asked("Long? " * 100), 0)] * 3
    [refused] = odd("byte_level").prompts([asked()], shots, Format.PAREN)
    assert refused.reason == "PROMPT_TOO_LONG"


def test_shots_end_in_their_answer(family):
    shot = Shot(asked(), 1)
    [prompt] = PromptTokenizer(family, 1000).prompts([asked()], [shot], Format.PAREN)
    expected = render(asked(), [], Format.PAREN) + answer("B", Format.PAREN) + "\n\n"
    assert list(prompt.prompt) == family(expected + render(asked(), [], Format.PAREN))["input_ids"]


def test_no_questions_make_no_prompts(odd):
    assert odd("byte_level").prompts([], [], Format.PAREN) == []


def test_the_text_of_a_special_token_is_text(weights):
    tokenizer = PromptTokenizer.load(weights, 1000)
    end = 0  # the first token of the folder's tokenizer
    texts = ["<|end|>", "before <|end|> after", "<|end|"]
    for prompt in tokenizer.prompts([asked(text) for text in texts], [], Format.PAREN):
        assert end not in prompt.prompt
        assert end not in prompt.options


def test_a_label_is_no_special_token_either(weights):
    question = asked(labels=("A", "<|end|>"))
    [error] = PromptTokenizer.load(weights, 1000).prompts([question], [], Format.PAREN)
    assert (error.field, error.reason) == ("options[1].label", "LABEL_NOT_ONE_TOKEN")
