"""Control tokens that the tokenizer does not flag as special."""

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from trueodds_service.prompts.controls import is_control_name
from trueodds_service.prompts.formats import LETTER, TEXT
from trueodds_service.prompts.question import ChatPrompt, Question, TextPrompt
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer

CONTROLS = ["<think>", "</think>", "<tool_call>", "<|im_start|>", "[INST]"]
WORDS = ["<h1>", "</table>", "\n\n\n", "Schadenfreude"]


@pytest.fixture
def tokenizer(odd_tokenizer):
    made = odd_tokenizer("byte_level")
    made.add_tokens([AddedToken(name, special=False, normalized=False) for name in CONTROLS])
    made.add_tokens([AddedToken(name, special=False, normalized=False) for name in WORDS])
    return made


@pytest.fixture
def prompts(tokenizer):
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template="{{ messages[0].content }}"
    )
    return PromptTokenizer(fast, 1000)


def ids(prompts, prompt):
    [outcome] = prompts.prepare(
        [Question("", ("tin", "gold"), ("A", "B"), prompt=prompt)], [], Reading(LETTER)
    )
    return outcome.prompt.prompt


@pytest.mark.parametrize("name", CONTROLS)
def test_a_plain_text_does_not_become_a_control_token(prompts, tokenizer, name):
    token = tokenizer.token_to_id(name)
    assert token not in ids(prompts, TextPrompt(f"What is {name}?"))
    assert token in ids(prompts, TextPrompt(f"What is {name}?", special=True))
    [asked] = prompts.prepare(
        [Question(f"What is {name}?", (name, "gold"), ("A", "B"))], [], Reading(TEXT)
    )
    assert token not in asked.prompt.prompt + asked.prompt.continuations[0]


@pytest.mark.parametrize("name", CONTROLS)
def test_nor_can_a_message_say_one(prompts, name):
    question = Question("", ("a", "b"), ("A", "B"), prompt=ChatPrompt((("user", name),)))
    [error] = prompts.prepare([question], [], Reading(LETTER))
    assert (error.field, error.reason) == (
        "prompt.chat.messages[0].content",
        "SPECIAL_TOKEN_IN_TEXT",
    )


@pytest.mark.parametrize("name", WORDS)
def test_ordinary_words_that_were_added_stay_tokens(prompts, tokenizer, name):
    assert tokenizer.token_to_id(name) in ids(prompts, TextPrompt(f"a{name}b"))


@pytest.mark.parametrize(
    ("name", "control"),
    [("<｜User｜>", True), ("</s>", False), ("<B>", False), ("<T_1>", True), ("[x]", False)],
)
def test_by_the_shape_of_its_name(name, control):
    assert is_control_name(name) is control
