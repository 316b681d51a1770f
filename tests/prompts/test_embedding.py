"""A tokenizer that knows more tokens than the model's embedding has rows."""

import pytest

from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import LETTER
from trueodds_service.prompts.question import (
    ChatPrompt,
    Question,
    Shot,
    TextPrompt,
    TokenIdPrompt,
    letters,
)
from trueodds_service.prompts.reading import Reading

OPTIONS = ("tin", "gold")
SPECIAL = "<|im_start|>"
PROMPTS = {
    "special text": TextPrompt(f"{SPECIAL}Which is it?", special=True),
    "chat": ChatPrompt((("user", "Which is it?"),)),
}


@pytest.fixture
def outgrown(gpt2):
    """Prompts for a model whose embedding ends before the first token of a conversation."""
    rows = gpt2.tokenizer.token_to_id(SPECIAL)
    return rows, gpt2.prompts(vocabulary=rows)


def prepared(prompts, question, shots=()):
    [outcome] = prompts.prepare([question], shots, Reading(LETTER))
    return outcome


def refused(error, field):
    assert isinstance(error, InvalidInput)
    assert (error.field, error.reason) == (field, "UNKNOWN_TOKEN")


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_that_comes_to_a_token_without_a_row_is_refused(outgrown, prompt):
    refused(prepared(outgrown[1], Question("", OPTIONS, letters(2), prompt=prompt)), "prompt")


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_so_is_an_unconditional_prompt(outgrown, prompt):
    with pytest.raises(InvalidInput) as caught:
        outgrown[1].encode(prompt)
    refused(caught.value, "source")


def test_token_ids_end_with_the_rows(outgrown):
    rows, prompts = outgrown
    ids = ((rows - 1,), (1,))
    known = Question("", ("", ""), letters(2), prompt=TokenIdPrompt((rows - 1,)), option_ids=ids)
    assert not isinstance(prepared(prompts, known), InvalidInput)
    beyond = Question("", ("", ""), letters(2), prompt=TokenIdPrompt((rows,)), option_ids=ids)
    refused(prepared(prompts, beyond), "prompt.token_ids")
    ids = ((1,), (2, rows))
    option = Question("", ("", ""), letters(2), prompt=TokenIdPrompt((1,)), option_ids=ids)
    refused(prepared(prompts, option), "options[1].token_ids")


def test_a_label_that_has_no_row_is_refused_by_its_field(gpt2):
    rows = gpt2.tokenizer.encode("A").ids[0] + 1
    question = Question("?", OPTIONS, ("A", "z"))
    outcome = prepared(gpt2.prompts(vocabulary=rows), question)
    assert isinstance(outcome, InvalidInput)
    assert outcome.reason == "UNKNOWN_TOKEN"


def test_plain_text_and_shots_are_read_as_before(outgrown):
    shots = (Shot(Question("Is it?", OPTIONS, letters(2)), 0),)
    question = Question("Which is it?", OPTIONS, letters(2))
    assert not isinstance(prepared(outgrown[1], question, shots), InvalidInput)
