"""Prompts in tokens: an option's tokens are those that the model would write after the prompt."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format, answer, render
from trueodds_service.prompts.question import (
    ChatPrompt,
    Question,
    Shot,
    TextPrompt,
    TokenIdPrompt,
    letters,
)
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import Prepared, PromptTokenizer

# What tends to merge with its neighbours, among anything else.
TEXTS = st.text(
    st.sampled_from(" \n\r\tA(:.é▁") | st.characters(exclude_categories=["Cs"]), max_size=12
)
OWN_LABELS = st.lists(
    st.sampled_from(["A", "B", "a", "Z", "1", "yes", "(", ".", "é", "AB", "two words"]),
    min_size=2,
    max_size=4,
    unique=True,
)
SPELLED = Format(question="{text} =>", identifier=" It is", answer=" {label}!", separator="\n")
FORMATS = {"letter": LETTER, "paren": PAREN, "text": TEXT, "custom": SPELLED}

any_format = pytest.mark.parametrize("answer_format", FORMATS.values(), ids=FORMATS)
for_any_family = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def questions(draw):
    options = draw(st.lists(TEXTS, min_size=2, max_size=4))
    labels = letters(len(options))
    if draw(st.booleans()):
        labels = tuple(draw(OWN_LABELS))
        options = [draw(TEXTS) for _ in labels]
    return Question(draw(TEXTS), tuple(options), labels, passage=draw(TEXTS))


def asked(text="Which one is it?", labels=("A", "B"), passage="", prompt=None):
    options = tuple(f"option {label}" for label in labels)
    return Question(text, options, tuple(labels), passage, prompt)


def wholes(tokenizer, prompt, question, answer_format):
    """What joint tokenisation says: the tokens up to the end of each option; None where they do
    not begin with the prompt's and the identifier's, or two are the same.
    """
    before = tokenizer(prompt)["input_ids"]
    identified = tokenizer(prompt + answer_format.identifier)["input_ids"]
    named = question.options if answer_format.reads_text else question.labels
    lead = answer_format.identifier + answer_format.lead
    ends = [tokenizer(prompt + lead + name)["input_ids"] for name in named]
    ordered = [identified[: len(before)] == before]
    ordered += [len(end) > len(identified) and end[: len(identified)] == identified for end in ends]
    apart = len({tuple(end) for end in ends}) == len(ends)
    return ends if before and apart and all(ordered) else None


def read(prepared):
    """The tokens from the beginning of the prompt to the end of each option."""
    asked = prepared.prompt
    places = [ways[0][1] for ways in prepared.surfaces]
    return [[*asked.prompt, *asked.identifier, *asked.continuations[place]] for place in places]


@any_format
@for_any_family
@given(batch=st.lists(questions(), min_size=1, max_size=3), shot=questions())
def test_an_option_is_what_it_adds_to_the_prompt(family, answer_format, batch, shot):
    """For any text, and also where the tokenizer has met other questions before."""
    shots = [Shot(shot, 0)]
    outcomes = PromptTokenizer(family, 10_000).prepare(batch, shots, Reading(answer_format))
    for question, outcome in zip(batch, outcomes, strict=True):
        expected = wholes(family, render(question, shots, answer_format), question, answer_format)
        if expected is None:
            assert isinstance(outcome, InvalidInput)
        else:
            assert read(outcome) == expected


@any_format
@for_any_family
@given(text=TEXTS.filter(bool), question=questions())
def test_options_are_read_right_after_a_prompt_of_the_callers_own(
    family, answer_format, text, question
):
    question = replace(question, text="", passage="", prompt=TextPrompt(text))
    [outcome] = PromptTokenizer(family, 10_000).prepare([question], [], Reading(answer_format))
    expected = wholes(family, text, question, answer_format)
    if expected is None:
        assert isinstance(outcome, InvalidInput)
    else:
        assert read(outcome) == expected


@pytest.mark.parametrize("answer_format", [LETTER, PAREN], ids=["letter", "paren"])
def test_every_family_reads_letters_as_one_token(family, answer_format):
    question = asked(labels=letters(26))
    [prepared] = PromptTokenizer(family, 1000).prepare([question], [], Reading(answer_format))
    assert len(set(prepared.prompt.continuations)) == 26
    assert {len(tokens) for tokens in prepared.prompt.continuations} == {1}
    assert len(prepared.prompt.identifier) == (answer_format is PAREN)


def test_every_family_reads_128_labels_of_any_length(family):
    labels = tuple(f"class number {number}" for number in range(128))
    [prepared] = PromptTokenizer(family, 10_000).prepare([asked(labels=labels)], [], Reading())
    assert len(set(prepared.prompt.continuations)) == 128


def test_a_format_is_read_as_if_no_other_had_been(family):
    used = PromptTokenizer(family, 1000)
    for answer_format in [*FORMATS.values()] * 2:
        fresh = PromptTokenizer(family, 1000)
        reading = Reading(answer_format)
        assert used.prepare([asked()], [], reading) == fresh.prepare([asked()], [], reading)


def test_a_prompt_begins_as_every_text_of_its_model(odd):
    tokenizer = odd("with_bos")
    for prepared in tokenizer.prepare([asked(), asked("Another?")], [], Reading()):
        assert prepared.prompt.prompt[0] == 0
        assert 0 not in prepared.prompt.prompt[1:]


@pytest.mark.parametrize(
    ("maker", "answer_format", "labels", "field", "reason"),
    [
        # " (A" is one token, so "A" cannot be read after " (".
        ("merging_paren", PAREN, "AB", "options[0].label", "OPTION_CHANGES_PROMPT"),
        ("merging_colon", PAREN, "AB", "reading.format", "FORMAT_CHANGES_PROMPT"),
        ("splitting_answer", PAREN, "AB", "reading.format", "FORMAT_CHANGES_PROMPT"),
        ("splitting_answer", LETTER, "AB", "options[0].label", "OPTION_CHANGES_PROMPT"),
        ("lower_case", PAREN, "ABa", "options[2].label", "OPTIONS_SAME_TOKENS"),
    ],
)
def test_what_cannot_be_read_is_refused(odd, maker, answer_format, labels, field, reason):
    [error] = odd(maker).prepare([asked(labels=labels)], [], Reading(answer_format))
    assert (error.field, error.reason) == (field, reason)


def test_options_of_the_same_text_are_refused_where_the_text_is_read(odd):
    question = Question("Which?", ("one", "two", "one"), ("A", "B", "C"))
    [error] = odd("byte_level").prepare([question], [], Reading(TEXT))
    assert (error.field, error.reason) == ("options[2].text", "OPTIONS_SAME_TOKENS")
    [by_label] = odd("byte_level").prepare([question], [], Reading(LETTER))
    assert isinstance(by_label, Prepared)


def test_another_format_can_do_where_one_cannot(odd):
    tokenizer = odd("merging_colon_keeping_letters")
    [paren] = tokenizer.prepare([asked()], [], Reading(PAREN))
    [letter] = tokenizer.prepare([asked()], [], Reading(LETTER))
    assert "use another format" in paren.message
    assert isinstance(letter, Prepared)


def test_a_question_that_cannot_be_read_leaves_the_others_alone(odd):
    batch = [asked(), asked(labels="ABa"), asked("Another?")]
    good, bad, other = odd("lower_case").prepare(batch, [], Reading())
    assert isinstance(bad, InvalidInput)
    assert [good] == odd("lower_case").prepare(batch[:1], [], Reading())
    assert [other] == odd("lower_case").prepare(batch[2:], [], Reading())


@any_format
def test_a_prompt_that_is_too_long_is_refused_and_never_cut(family, answer_format):
    question, reading = asked("Which one? " * 20), Reading(answer_format)
    [whole] = PromptTokenizer(family, 10_000).prepare([question], [], reading)
    # The limit leaves room for one token to read.
    longest = whole.prompt.total_length - 1
    [fits] = PromptTokenizer(family, longest).prepare([question], [], reading)
    [refused] = PromptTokenizer(family, longest - 1).prepare([question], [], reading)
    assert fits == whole
    assert (refused.field, refused.reason) == ("text", "PROMPT_TOO_LONG")
    assert f"{longest + 1} tokens" in refused.message
    assert f"at most {longest}" in refused.message


def test_shots_count_towards_the_length(odd):
    shots = [Shot(asked("Long? " * 100), 0)] * 3
    [refused] = odd("byte_level").prepare([asked()], shots, Reading())
    assert refused.reason == "PROMPT_TOO_LONG"


def test_shots_end_in_their_answer(family):
    shot = Shot(asked(), 1)
    [prepared] = PromptTokenizer(family, 1000).prepare([asked()], [shot], Reading())
    expected = render(asked(), [], PAREN) + answer(asked(), 1, PAREN) + "\n\n"
    assert list(prepared.prompt.prompt) == family(expected + render(asked(), [], PAREN)).input_ids


def test_no_questions_make_no_prompts(odd):
    assert odd("byte_level").prepare([], [], Reading()) == []


class TestVariants:
    def test_an_option_is_read_with_and_without_a_space(self, odd):
        [prepared] = odd("byte_level").prepare([asked()], [], Reading(LETTER, variants=True))
        surfaces = [[surface for surface, _ in ways] for ways in prepared.surfaces]
        assert surfaces == [[" A", "A"], [" B", "B"]]
        places = [place for ways in prepared.surfaces for _, place in ways]
        assert sorted(places) == [0, 1, 2, 3]
        assert len(set(prepared.prompt.continuations)) == 4

    def test_each_variant_is_what_it_adds_to_the_prompt(self, family):
        [prepared] = PromptTokenizer(family, 1000).prepare(
            [asked()], [], Reading(LETTER, variants=True)
        )
        text = render(asked(), [], LETTER)
        for ways in prepared.surfaces:
            for surface, place in ways:
                whole = [*prepared.prompt.prompt, *prepared.prompt.continuations[place]]
                assert whole == family(text + surface).input_ids

    def test_a_variant_that_is_the_same_to_the_tokenizer_is_left_out(self, odd):
        """A tokenizer that strips spaces cannot tell " A" from "A"."""
        [prepared] = odd("space_blind").prepare([asked()], [], Reading(LETTER, variants=True))
        assert [len(ways) for ways in prepared.surfaces] == [1, 1]


class TestTokenIds:
    def question(self, ids=(5, 6), options=((7,), (8, 9))):
        return replace(asked("", prompt=TokenIdPrompt(ids)), option_ids=options)

    def test_they_are_taken_as_they_are(self, odd):
        [prepared] = odd("byte_level").prepare([self.question()], [], Reading())
        assert (prepared.prompt.prompt, prepared.prompt.identifier) == ((5, 6), ())
        assert prepared.prompt.continuations == ((7,), (8, 9))

    @pytest.mark.parametrize(
        ("changes", "field", "reason"),
        [
            ({"ids": (5, 10**6)}, "prompt.token_ids", "UNKNOWN_TOKEN"),
            ({"options": ((7,), (10**6,))}, "options[1].token_ids", "UNKNOWN_TOKEN"),
            ({"options": ((7,), (7,))}, "options[1].token_ids", "OPTIONS_SAME_TOKENS"),
            ({"ids": (5,) * 2000}, "prompt", "PROMPT_TOO_LONG"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, odd, changes, field, reason):
        [error] = odd("byte_level").prepare([self.question(**changes)], [], Reading())
        assert (error.field, error.reason) == (field, reason)


class TestChat:
    MESSAGES = (("system", "Be brief."), ("user", "Is tin a metal?"))
    TURNS = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nIs tin a metal?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )

    def test_the_answer_is_read_where_the_assistant_begins(self, chat):
        tokenizer, own = chat
        question = asked("", prompt=ChatPrompt(self.MESSAGES, "Answer:"))
        [prepared] = tokenizer.prepare([question], [], Reading())
        expected = [own(f"{self.TURNS}Answer: ({label}").input_ids for label in "AB"]
        assert read(prepared) == expected
        marks = set(own.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]))
        assert marks <= set(prepared.prompt.prompt)

    def test_a_conversation_that_the_caller_rendered_is_the_same(self, chat):
        tokenizer, _ = chat
        rendered = asked("", prompt=TextPrompt(f"{self.TURNS}Answer:", special=True))
        given = asked("", prompt=ChatPrompt(self.MESSAGES, "Answer:"))
        assert tokenizer.prepare([rendered], [], Reading()) == tokenizer.prepare(
            [given], [], Reading()
        )

    def test_in_a_plain_prompt_the_same_names_are_text(self, chat):
        tokenizer, own = chat
        [prepared] = tokenizer.prepare([asked("", prompt=TextPrompt(self.TURNS))], [], Reading())
        marks = set(own.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]))
        assert not marks & set(prepared.prompt.prompt)

    @pytest.mark.parametrize(
        ("prompt", "labels", "field"),
        [
            ((("user", "a <|im_end|>"),), "AB", "prompt.chat.messages[0].content"),
            ((("<|im_end|>", "a"),), "AB", "prompt.chat.messages[0].role"),
            ((("user", "a"),), ["A", "<|im_end|>"], "options[1].label"),
        ],
    )
    def test_nobody_speaks_for_somebody_else(self, chat, prompt, labels, field):
        tokenizer, _ = chat
        [error] = tokenizer.prepare(
            [asked("", labels=labels, prompt=ChatPrompt(prompt))], [], Reading()
        )
        assert (error.field, error.reason) == (field, "SPECIAL_TOKEN_IN_TEXT")

    def test_the_answer_prefix_neither(self, chat):
        tokenizer, _ = chat
        prompt = ChatPrompt(self.MESSAGES, "<|im_end|>")
        [error] = tokenizer.prepare([asked("", prompt=prompt)], [], Reading())
        assert (error.field, error.reason) == ("prompt.chat.answer_prefix", "SPECIAL_TOKEN_IN_TEXT")

    def test_what_the_template_refuses_is_told_without_the_message(self, chat):
        tokenizer, _ = chat
        [error] = tokenizer.prepare(
            [asked("", prompt=ChatPrompt((("wizard", "hocus"),)))], [], Reading()
        )
        assert (error.field, error.reason) == ("prompt.chat.messages", "CHAT_TEMPLATE_REFUSED")
        assert "hocus" not in error.message

    def test_a_model_without_a_template_says_so(self, odd):
        question = asked("", prompt=ChatPrompt(self.MESSAGES))
        [error] = odd("byte_level").prepare([question], [], Reading())
        assert (error.field, error.reason) == ("prompt.chat.messages", "NO_CHAT_TEMPLATE")


def test_a_prompt_of_the_callers_own_takes_no_shots(odd):
    question = asked("", prompt=TextPrompt("Answer:"))
    [error] = odd("byte_level").prepare([question], [Shot(asked(), 0)], Reading())
    assert error.field == "prompt"


def test_a_prompt_without_tokens_is_refused(odd):
    [error] = odd("stripping").prepare([asked("", prompt=TextPrompt("  "))], [], Reading(LETTER))
    assert (error.field, error.reason) == ("prompt", "EMPTY_PROMPT")


def test_the_text_of_a_special_token_is_text(weights):
    tokenizer = PromptTokenizer.load(weights, 1000)
    end = 0  # the first token of the folder's tokenizer
    texts = ["<|end|>", "before <|end|> after", "<|end|"]
    for prepared in tokenizer.prepare([asked(text) for text in texts], [], Reading()):
        assert end not in prepared.prompt.prompt


def test_a_label_is_no_special_token_either(weights):
    question = asked(labels=("A", "<|end|>"))
    [prepared] = PromptTokenizer.load(weights, 1000).prepare([question], [], Reading())
    assert len(prepared.prompt.continuations[1]) > 1


def test_threads_do_not_mix_up_plain_and_special_texts(chat):
    tokenizer, _ = chat
    plain = [asked(f"<|im_end|> {number}?") for number in range(20)]
    special = [asked("", prompt=TextPrompt(f"<|im_end|> {n}:", special=True)) for n in range(20)]
    batches = [plain, special] * 40
    alone = [tokenizer.prepare(batch, [], Reading()) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda batch: tokenizer.prepare(batch, [], Reading()), batches))
    assert together == alone
