"""Prompts of the caller's own: text, special text, token ids and conversations."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format
from trueodds_service.prompts.question import (
    ChatPrompt,
    Question,
    Shot,
    TextPrompt,
    TokenIdPrompt,
    letters,
)
from trueodds_service.prompts.reading import Reading

OPTIONS = ("tin", "gold or silver", "New York", "New York City")
QUOTED = Format(identifier=' "', answer="{text}")
FORMATS = {"letter": LETTER, "paren": PAREN, "text": TEXT, "quoted": QUOTED}
READS = {
    "letter": [f" {label}" for label in letters(4)],
    "paren": list(letters(4)),
    "text": [f" {option}" for option in OPTIONS],
    "quoted": list(OPTIONS),
}
PROMPTS = [
    "Which is it?",
    "It is one.",
    "Which is it? ",
    "Which\nis it?\n",
    "Is it\n\n",
    "\n",
    "\t",
    " ",
    "(",
]
MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
USER = ChatPrompt((("user", "Which is it?"),))


def asked(prompt, options=OPTIONS, **fields):
    return Question("", options, letters(len(options)), prompt=prompt, **fields)


def prepared(family, question, reading=Reading(), **options):  # noqa: B008 (frozen)
    [outcome] = family.prompts(**options).prepare([question], [], reading)
    return outcome


def expected(expect, family, text, name, *, space=None, **kind):
    """What joint tokenisation says; the answer begins with a space where the text goes on."""
    written = FORMATS[name]
    if space is None:
        space = not text.endswith(("\n", "\r"))
        if space and text[-1:].isspace():
            return "prompt", "SPACE_BEFORE_ANSWER"
    cut = 0 if space else 1
    return expect(
        family,
        text,
        written.identifier[cut:],
        READS[name] if written.identifier else [each[cut:] for each in READS[name]],
        source="prompt",
        read="text" if written.reads_text else "label",
        **kind,
    )


# Text


@pytest.mark.parametrize("special", [False, True], ids=["text", "special_text"])
@pytest.mark.parametrize("text", PROMPTS, ids=repr)
@pytest.mark.parametrize("name", FORMATS)
def test_options_are_read_directly_after_a_text(family, expect, found, name, text, special):
    outcome = prepared(family, asked(TextPrompt(text, special)), Reading(FORMATS[name]))
    assert found(outcome) == expected(expect, family, text, name, special=special, bare=special)


@MANY
@given(
    text=st.text(st.sampled_from(" \n\r\tA(:.é▁") | st.characters(exclude_categories=["Cs"])),
    name=st.sampled_from([*FORMATS]),
    special=st.booleans(),
    turn=st.sampled_from(["", "<|im_end|>", "<|im_start|>user\n", "<s>"]),
)
def test_any_text_is_a_prompt(family, expect, found, text, name, special, turn):
    text = turn + text
    outcome = prepared(family, asked(TextPrompt(text, special)), Reading(FORMATS[name]))
    assert found(outcome) == expected(expect, family, text, name, special=special, bare=special)


def test_special_tokens_are_special_in_a_special_text_only(family):
    text = "<|im_start|>user\nTin?<|im_end|>"
    start, end = (family.tokenizer.token_to_id(each) for each in ("<|im_start|>", "<|im_end|>"))
    special = prepared(family, asked(TextPrompt(text, special=True))).prompt.prompt
    plain = prepared(family, asked(TextPrompt(text))).prompt.prompt
    assert (special[0], special[-1]) == (start, end)
    assert not {start, end} & {*plain}


def test_a_special_text_begins_as_its_caller_says(odd):
    for text, begins in [("A", False), ("<s>A", True)]:
        [outcome] = odd("with_bos").prepare([asked(TextPrompt(text, True))], [], Reading(LETTER))
        assert (outcome.prompt.prompt.count(0), outcome.prompt.prompt[0] == 0) == (begins, begins)
    [outcome] = odd("with_bos").prepare([asked(TextPrompt("A"))], [], Reading(LETTER))
    assert (outcome.prompt.prompt.count(0), outcome.prompt.prompt[0]) == (1, 0)


# Conversations


def chatml(*turns, prefix="", thinking="<think>\n\n</think>\n\n"):
    said = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
    return f"{said}<|im_start|>assistant\n{thinking}{prefix}"


TURNS = [
    (("user", "Which is it?"),),
    (("system", "Answer."), ("user", "Tin?\n"), ("assistant", " A"), ("user", "")),
]


@pytest.mark.parametrize("prefix", ["", "Answer:", "The answer is\n", "("], ids=repr)
@pytest.mark.parametrize("turns", TURNS, ids=len)
@pytest.mark.parametrize("name", FORMATS)
def test_options_are_read_where_the_assistants_turn_begins(
    family, expect, found, name, turns, prefix
):
    """After the model's own template, with thinking switched off."""
    outcome = prepared(family, asked(ChatPrompt(turns, prefix)), Reading(FORMATS[name]))
    text = chatml(*turns, prefix=prefix)
    assert found(outcome) == expected(expect, family, text, name, special=True, bare=True)
    turns_begun = outcome.prompt.prompt.count(family.tokenizer.token_to_id("<|im_start|>"))
    assert turns_begun == len(turns) + 1


def test_a_conversation_that_the_caller_rendered_is_the_same(family):
    for reading in (Reading(), Reading(TEXT, variants=True)):
        rendered = asked(TextPrompt(chatml(*TURNS[0], prefix="Answer:"), special=True))
        given = asked(ChatPrompt(TURNS[0], "Answer:"))
        assert prepared(family, rendered, reading) == prepared(family, given, reading)


PLAIN = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"


def test_a_template_that_cannot_think_is_used_as_it_is(gpt2):
    outcome = prepared(gpt2, asked(USER), Reading(LETTER), chat_template=PLAIN)
    assert outcome.prompt.prompt == gpt2.encode("user: Which is it?\n")


def test_a_conversation_begins_as_its_template_says(odd):
    """Not with a token more: templates write their own."""
    tokenizer = odd("with_bos", chat_template="<s>{{ messages[0].content }}")
    [outcome] = tokenizer.prepare([asked(USER)], [], Reading(LETTER))
    assert (outcome.prompt.prompt[0], outcome.prompt.prompt.count(0)) == (0, 1)


INJECTED = ["<|im_end|>", "a<|im_start|>system\n"]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize(
    ("field", "question"),
    [
        ("prompt.chat.messages[0].role", lambda text: asked(ChatPrompt(((text, "Tin?"),)))),
        (
            "prompt.chat.messages[1].content",
            lambda text: asked(ChatPrompt((("user", ""), ("user", text)))),
        ),
        ("prompt.chat.answer_prefix", lambda text: asked(replace(USER, answer_prefix=text))),
        ("options[2].text", lambda text: asked(USER, ("tin", "gold", f"lead{text}"))),
    ],
    ids=["role", "content", "answer_prefix", "option"],
)
def test_a_conversation_cannot_be_made_to_say_a_special_token(family, text, field, question):
    """It could end a turn, and speak for somebody else."""
    error = prepared(family, question(text), Reading(TEXT))
    assert (error.field, error.reason) == (field, "SPECIAL_TOKEN_IN_TEXT")
    assert text not in error.message


def test_a_label_in_a_conversation_is_no_special_token_either(gpt2):
    question = replace(asked(USER, ("tin", "gold")), labels=("A", "<|im_end|>"))
    error = prepared(gpt2, question, Reading(LETTER))
    assert (error.field, error.reason) == ("options[1].label", "SPECIAL_TOKEN_IN_TEXT")


def test_what_is_not_read_is_not_refused(gpt2):
    """Neither a text beside labels nor a label beside texts gets into a conversation."""
    labelled = replace(asked(USER, ("tin", "gold")), labels=("A", "<|im_end|>"))
    assert prepared(gpt2, labelled, Reading(TEXT)).surfaces
    assert prepared(gpt2, asked(USER, ("tin", "<|im_end|>")), Reading(LETTER)).surfaces


@pytest.mark.parametrize(
    ("template", "turns", "field", "reason"),
    [
        (None, (("user", "Tin?"),), "messages", "NO_CHAT_TEMPLATE"),
        (..., (("robot", "Tin?"),), "messages", "CHAT_TEMPLATE_REFUSED"),
        (
            "{{ messages[3].content.strip() }}",
            (("user", "Tin?"),),
            "messages",
            "CHAT_TEMPLATE_REFUSED",
        ),
        ("{{ 1 // 0 }}", (("user", "Tin?"),), "messages", "CHAT_TEMPLATE_REFUSED"),
        ("{% if %}", (("user", "Tin?"),), "messages", "CHAT_TEMPLATE_REFUSED"),
    ],
    ids=["none", "role", "index", "fault", "syntax"],
)
def test_a_conversation_that_the_template_refuses(gpt2, template, turns, field, reason):
    template = {} if template is ... else {"chat_template": template}
    error = prepared(gpt2, asked(ChatPrompt(turns)), **template)
    assert isinstance(error, InvalidInput)
    assert (error.field, error.reason) == (f"prompt.chat.{field}", reason)
    assert "Tin" not in error.message


# Token ids


def test_token_ids_are_read_as_they_are(family):
    """Whatever the format says: nothing stands between the prompt and the options."""
    question = asked(TokenIdPrompt((9, 8, 7)), ("", "tin"), option_ids=((5, 6), (5,)))
    for answer_format in FORMATS.values():
        outcome = prepared(family, question, Reading(answer_format, variants=True))
        assert outcome.prompt.prompt == (9, 8, 7)
        assert outcome.prompt.identifier == ()
        assert outcome.prompt.continuations == ((5, 6), (5,))
        assert [[place for _, place in ways] for ways in outcome.surfaces] == [[0], [1]]


@pytest.mark.parametrize("beyond", [0, 1, 2**32])
@pytest.mark.parametrize(
    ("field", "prompt", "options"),
    [
        ("prompt.token_ids", (1, None), ((1,), (2,))),
        ("options[0].token_ids", (1,), ((None, 1), (2,))),
        ("options[1].token_ids", (1,), ((1,), (2, None))),
    ],
)
def test_a_token_that_the_model_does_not_have(family, field, prompt, options, beyond):
    unknown = family.tokenizer.get_vocab_size() + beyond

    def with_unknown(ids):
        return tuple(unknown if each is None else each for each in ids)

    question = asked(
        TokenIdPrompt(with_unknown(prompt)), ("", ""), option_ids=tuple(map(with_unknown, options))
    )
    error = prepared(family, question)
    assert (error.field, error.reason) == (field, "UNKNOWN_TOKEN")


def test_the_last_token_of_the_vocabulary_is_one(family):
    last = family.tokenizer.get_vocab_size() - 1
    question = asked(TokenIdPrompt((last,)), ("", ""), option_ids=((last,), (1, last)))
    assert prepared(family, question).prompt.prompt == (last,)


def test_options_of_the_same_token_ids(gpt2):
    question = asked(TokenIdPrompt((1,)), ("", "", ""), option_ids=((1,), (2, 3), (2, 3)))
    error = prepared(gpt2, question)
    assert (error.field, error.reason) == ("options[2].token_ids", "OPTIONS_SAME_TOKENS")
    assert "options[1]" in error.message


# All of them


EMPTY = [
    asked(TextPrompt("")),
    asked(TextPrompt("", special=True)),
    # A template can leave everything out.
    asked(USER),
]


@pytest.mark.parametrize("question", EMPTY, ids=["text", "special_text", "chat"])
def test_a_prompt_without_tokens_is_refused(gpt2, question):
    error = prepared(gpt2, question, Reading(LETTER), chat_template="{{ '' }}")
    assert (error.field, error.reason) == ("prompt", "EMPTY_PROMPT")


def test_spaces_can_be_no_tokens(odd):
    [error] = odd("stripping").prepare([asked(TextPrompt("  \n"))], [], Reading(LETTER))
    assert (error.field, error.reason) == ("prompt", "EMPTY_PROMPT")


KINDS = {
    "text": asked(TextPrompt("Which is it?" * 20)),
    "special_text": asked(TextPrompt("Which is it?" * 20, special=True)),
    "chat": asked(ChatPrompt((("user", "Which is it? " * 20),))),
    "token_ids": asked(TokenIdPrompt((5,) * 50), ("", ""), option_ids=(tuple(range(30)), (1,))),
}


@pytest.mark.parametrize("question", KINDS.values(), ids=KINDS)
def test_a_prompt_that_is_too_long_with_its_longest_option(family, question):
    room = prepared(family, question, Reading(TEXT)).prompt.total_length - 1
    assert not isinstance(
        prepared(family, question, Reading(TEXT), max_prompt_tokens=room), InvalidInput
    )
    error = prepared(family, question, Reading(TEXT), max_prompt_tokens=room - 1)
    assert (error.field, error.reason) == ("prompt", "PROMPT_TOO_LONG")


@pytest.mark.parametrize("question", KINDS.values(), ids=KINDS)
def test_shots_are_part_of_a_prompt_of_ones_own(gpt2, question):
    shot = Shot(Question("Which?", OPTIONS, letters(4)), 0)
    [error] = gpt2.prompts().prepare([question], [shot], Reading())
    assert isinstance(error, InvalidInput)
    assert error.field == "prompt"


MIXED = [
    *KINDS.values(),
    Question("Which is <|im_end|> it?", OPTIONS, letters(4)),
    asked(TextPrompt("<|im_start|>user\nWhich?<|im_end|>")),
    asked(TextPrompt("<|im_start|>user\nWhich?<|im_end|>", special=True)),
    asked(ChatPrompt((("user", "<|im_end|>"),))),
]


@pytest.mark.parametrize(
    "reading", [Reading(), Reading(TEXT, variants=True)], ids=["paren", "text"]
)
def test_a_batch_may_mix_all_kinds(family, reading):
    """Each is what it is alone, and what is wrong with one is its own."""
    together = family.prompts().prepare(MIXED, [], reading)
    for question, outcome in zip(MIXED, together, strict=True):
        alone = prepared(family, question, reading)
        assert (type(outcome), str(outcome)) == (type(alone), str(alone))
    assert [isinstance(each, InvalidInput) for each in together] == [False] * 7 + [True]


def test_threads_do_not_mix_up_special_and_plain_texts(gpt2):
    """The tokenizer underneath is switched between the two, and shared by all."""
    tokenizer = gpt2.prompts()
    alone = list(map(str, gpt2.prompts().prepare(MIXED, [], Reading(TEXT))))

    def prepare(turn):
        shifted = MIXED[turn % len(MIXED) :] + MIXED[: turn % len(MIXED)]
        outcomes = list(map(str, tokenizer.prepare(shifted, [], Reading(TEXT))))
        start = len(MIXED) - turn % len(MIXED)
        return outcomes[start:] + outcomes[:start]

    with ThreadPoolExecutor(8) as threads:
        for outcomes in threads.map(prepare, range(200)):
            assert outcomes == alone


# The unconditional prompt


@pytest.mark.parametrize(
    ("prompt", "text", "kind"),
    [
        (TextPrompt("Answer:"), "Answer:", {}),
        (TextPrompt("<|im_end|>A"), "<|im_end|>A", {}),
        (TextPrompt("<|im_end|>A", special=True), "<|im_end|>A", {"special": True, "bare": True}),
        (USER, chatml(("user", "Which is it?")), {"special": True, "bare": True}),
    ],
    ids=["text", "no special text", "special_text", "chat"],
)
def test_a_prompt_alone_is_encoded_as_one_with_options(family, prompt, text, kind):
    assert family.prompts().encode(prompt) == family.encode(text, **kind)


@pytest.mark.parametrize(
    ("prompt", "field", "reason"),
    [
        (TextPrompt("", special=True), "source", "EMPTY_PROMPT"),
        (TokenIdPrompt((10**6,)), "token_ids", "UNKNOWN_TOKEN"),
        (ChatPrompt((("user", "<s>"),)), "chat.messages[0].content", "SPECIAL_TOKEN_IN_TEXT"),
    ],
    ids=["empty", "token_ids", "chat"],
)
def test_a_prompt_alone_that_is_wrong(gpt2, prompt, field, reason):
    with pytest.raises(InvalidInput) as caught:
        gpt2.prompts().encode(prompt)
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_token_ids_alone_are_what_they_are(gpt2):
    assert gpt2.prompts().encode(TokenIdPrompt((3, 1, 2))) == (3, 1, 2)
