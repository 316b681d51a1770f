"""Where an assistant's answer begins, and what a template may not do."""

import pytest

from trueodds_service.prompts.formats import LETTER, PAREN, TEXT
from trueodds_service.prompts.question import ChatPrompt, Question, TextPrompt
from trueodds_service.prompts.reading import Reading

USER = ChatPrompt((("user", "Tin?"),))


def template(lead=""):
    """Turns are a header, ``lead`` and what was said; the header of an answer is "<assistant>"."""
    return (
        "{% for m in messages %}<{{ m.role }}>" + lead + "{{ m.content + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )


def asked(prompt):
    return Question("", ("tin", "gold"), ("A", "B"), prompt=prompt)


def prepared(family, prompt, reading, chat_template):
    [outcome] = family.prompts(chat_template=chat_template).prepare([asked(prompt)], [], reading)
    return outcome


@pytest.mark.parametrize("lead", ["", " ", "\n"], ids=repr)
@pytest.mark.parametrize(
    ("answer_format", "surface"), [(LETTER, "A"), (PAREN, "(A"), (TEXT, "tin")], ids=str
)
def test_the_answer_begins_as_the_template_writes_one(gpt2, lead, answer_format, surface):
    """What a model was trained to write after the header: "A" or " A", as its template says."""
    outcome = prepared(gpt2, USER, Reading(answer_format), template(lead))
    read = (*outcome.prompt.identifier, *outcome.prompt.continuations[0])
    text = f"<user>{lead}Tin?\n<assistant>"
    assert outcome.prompt.prompt + read == gpt2.encode(f"{text}{lead}{surface}", special=True)


def test_variants_are_both_read_after_a_header(gpt2):
    outcome = prepared(gpt2, USER, Reading(LETTER, variants=True), template())
    assert [[surface for surface, _ in ways] for ways in outcome.surfaces] == [
        ["A", " A"],
        ["B", " B"],
    ]


@pytest.mark.parametrize("prefix", ["Answer: ", "\t", " "], ids=repr)
def test_a_second_space_is_refused_by_every_tokenizer(family, prefix):
    chat = ChatPrompt(USER.messages, prefix)
    for prompt, field in [(TextPrompt(prefix), "prompt"), (chat, "prompt.chat.answer_prefix")]:
        for answer_format in (LETTER, PAREN, TEXT):
            error = prepared(family, prompt, Reading(answer_format), template())
            assert (error.field, error.reason) == (field, "SPACE_BEFORE_ANSWER")


@pytest.mark.parametrize("wrong", ["{{ '\\ud800' }}", "{{ raise_exception('Tin?') }}", "{% if %}"])
def test_a_template_that_fails_or_writes_no_text_is_refused(gpt2, wrong):
    error = prepared(gpt2, USER, Reading(LETTER), wrong + template())
    assert (error.field, error.reason) == ("prompt.chat.messages", "CHAT_TEMPLATE_REFUSED")
    assert "Tin" not in error.message


@pytest.mark.parametrize("tag", ["<think>", "<think>\n", "[THINK]"], ids=repr)
def test_an_answer_is_not_read_inside_a_thought(gpt2, tag):
    chat = template().replace("<assistant>{%", f"<assistant>{tag}{{%")
    error = prepared(gpt2, USER, Reading(LETTER), chat)
    assert (error.field, error.reason) == ("prompt.chat.messages", "THOUGHT_OPEN")


@pytest.mark.parametrize("said", ["What does <think> do?", "<think>"])
def test_what_somebody_says_of_thoughts_opens_none(gpt2, said):
    outcome = prepared(gpt2, ChatPrompt((("user", said),)), Reading(LETTER), template())
    assert outcome.prompt.prompt == gpt2.encode(f"<user>{said}\n<assistant>")


@pytest.mark.parametrize("switch", ["enable_thinking", "thinking"])
def test_a_thought_that_can_be_switched_off_is(gpt2, switch):
    chat = template().replace(
        "<assistant>{%", f"<assistant>{{% if {switch} %}}<think>{{% endif %}}{{%"
    )
    outcome = prepared(gpt2, USER, Reading(LETTER), chat)
    assert outcome.prompt.prompt == gpt2.encode("<user>Tin?\n<assistant>")


def test_a_template_that_writes_the_date_writes_the_same_every_day(gpt2):
    """Or a calibrator fitted today would not hold tomorrow, under the same identity."""
    chat = "{{ strftime_now('%d %b %Y') }}\n" + template()
    outcome = prepared(gpt2, USER, Reading(LETTER), chat)
    assert outcome.prompt.prompt == gpt2.encode("26 Jul 2024\n<user>Tin?\n<assistant>")


@pytest.mark.parametrize("chance", ["{{ ['a', 'b']|random }}", "{{ lipsum() }}"])
def test_a_template_that_draws_at_random_is_refused(gpt2, chance):
    error = prepared(gpt2, USER, Reading(LETTER), chance + template())
    assert (error.field, error.reason) == ("prompt.chat.messages", "CHAT_TEMPLATE_RANDOM")
