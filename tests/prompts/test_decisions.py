"""How decisions are written, and which labels their options get."""

from dataclasses import replace

import pytest
from tests import pages
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import DECISION
from trueodds_service.prompts.question import Kind, Question
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer

STATE = "It is late."
TEAM = Question("Whose?", ("us - or you", "them"), ("A", "B"), STATE, kind=Kind.CHOICE)
SAID = (
    "It is late.\n\nQuestion: Whose?\nA: us - or you\nB: them\n"
    "Answer with the label of one option only."
)


def prompt(tokenizer, question):
    [prepared] = tokenizer.prepare([question], [], Reading(DECISION))
    return prepared.prompt


def test_a_model_with_a_chat_template_is_asked_through_it(family):
    told = prompt(family.prompts(), TEAM)
    text = f"<|im_start|>user\n{SAID}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    whole = family.encode(text, special=True, bare=True)
    assert told.prompt == whole
    for label, ids in zip("AB", told.continuations, strict=True):
        assert whole + ids == family.encode(text + label, special=True, bare=True)


def test_a_base_model_is_asked_by_the_same_text(family):
    told = prompt(family.prompts(chat_template=None), TEAM)
    assert told.prompt == family.encode(f"{SAID}\nAnswer:")
    for label, ids in zip("AB", told.continuations, strict=True):
        assert told.prompt + ids == family.encode(f"{SAID}\nAnswer: {label}")


def test_the_page_shows_what_the_model_is_asked(family):
    state, rest = pages.beginning("Where is my refund? I have").text.strip().split("\n\n")
    asked, *options, _ = rest.removeprefix("Question: ").split("\n")
    labels, texts = zip(*(each.split(": ") for each in options), strict=True)
    question = Question(asked, texts, labels, state, kind=Kind.CHOICE)
    told = prompt(family.prompts(chat_template=None), question)
    assert told.prompt == family.encode(f"{state}\n\n{rest}\nAnswer:")


NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
)
DROPS_SYSTEM = (
    "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "<assistant>"
)
KEEPS_SYSTEM = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


@pytest.mark.parametrize(
    ("template", "begins"),
    [
        (KEEPS_SYSTEM, "<system>Be strict.<user>It is late."),
        (NO_SYSTEM, "<user>Be strict.\n\nIt is late."),
        (DROPS_SYSTEM, "<user>Be strict.\n\nIt is late."),
        (None, "Be strict.\n\nIt is late."),
    ],
)
def test_what_a_system_says_comes_first_in_every_model(gpt2, template, begins):
    question = Question(
        TEAM.text, TEAM.options, TEAM.labels, STATE, kind=Kind.CHOICE, system="Be strict."
    )
    told = prompt(gpt2.prompts(chat_template=template), question).prompt
    assert gpt2.tokenizer.decode(told, skip_special_tokens=False).startswith(begins)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('no') }}", "CHAT_TEMPLATE_REFUSED"),
        ("{{ ['a', 'b'] | random }}", "CHAT_TEMPLATE_RANDOM"),
        (
            "{{ messages[0].content }}{% if add_generation_prompt %}<think>{% endif %}",
            "THOUGHT_OPEN",
        ),
    ],
)
def test_a_template_that_cannot_ask_a_decision_is_told_of_the_model(gpt2, template, reason):
    """The caller has sent no conversation that could be another."""
    tokenizer = gpt2.prompts(chat_template=template)
    [refused] = tokenizer.prepare([TEAM], [], Reading(DECISION))
    assert (refused.field, refused.reason) == ("model", reason)
    with pytest.raises(InvalidInput) as caught:
        tokenizer.decision_labels(Kind.CHOICE, 2)
    assert (caught.value.field, caught.value.reason) == ("model", reason)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("system", {"system": "<think>"}),
        ("passage", {"passage": "<think>"}),
        ("text", {"text": "<think>"}),
        ("options[1].text", {"options": ("us", "<think>")}),
    ],
)
def test_without_a_template_too_the_part_is_named_that_names_a_control_token(field, changes):
    """A piece of the vocabulary, which no tokenizer can be kept from reading."""
    characters = [(chr(code), -5.0) for code in (*range(32, 127), 10)]
    pieces = models.Unigram([("<unk>", -9.0), ("<think>", -1.0), *characters], unk_id=0)
    fast = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(pieces))
    question = replace(TEAM, **changes)
    [refused] = PromptTokenizer(fast, 10_000).prepare([question], [], Reading(DECISION))
    assert (refused.field, refused.reason) == (field, "SPECIAL_TOKEN_IN_TEXT")


@pytest.mark.parametrize(
    ("kind", "options", "labels", "lines"),
    [
        (Kind.PREDICATE, ("", ""), ("yes", "no"), "yes\nno\nAnswer with yes or no"),
        (Kind.PREDICATE, ("it is", ""), ("yes", "no"), "yes: it is\nno\nAnswer with yes or no"),
        (
            Kind.SCORE,
            ("low", "high"),
            ("0", "1"),
            "0: low\n1: high\nAnswer with the label of one level",
        ),
    ],
)
def test_each_kind_says_how_to_answer(gpt2, kind, options, labels, lines):
    question = Question("How?", options, labels, STATE, kind=kind)
    told = prompt(gpt2.prompts(chat_template=None), question).prompt
    assert told == gpt2.encode(f"{STATE}\n\nQuestion: How?\n{lines} only.\nAnswer:")


def test_each_kind_is_a_reading_of_its_own():
    reading = Reading(DECISION)
    keys = {reading.key(Question("?", ("", ""), ("a", "b"), kind=kind)) for kind in Kind}
    assert keys == {"predicate+decision-1", "choice+decision-1", "score+decision-1"}
    assert all(reading.is_way(key) for key in keys)
    assert not Reading().is_way("choice+decision-1")


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (Kind.PREDICATE, 2),
        (Kind.SCORE, 10),
        (Kind.SCORE, 11),
        *((Kind.CHOICE, n) for n in (2, 26, 27, 255)),
    ],
)
def test_no_label_is_another_or_the_beginning_of_one(family, kind, count, chat):
    tokenizer = family.prompts() if chat else family.prompts(chat_template=None)
    labels = tokenizer.decision_labels(kind, count)
    assert len({*labels}) == len(labels) == count
    told = prompt(tokenizer, Question("?", ("x",) * count, labels, STATE, kind=kind))
    assert len({*told.continuations}) == count
    for ids in told.continuations:
        assert not any(ids[:end] in told.continuations for end in range(1, len(ids))), labels


def test_labels_are_the_first_of_one_token(gpt2, odd):
    tokenizer = gpt2.prompts()
    assert tokenizer.decision_labels(Kind.CHOICE, 3) == ("A", "B", "C")
    assert tokenizer.decision_labels(Kind.SCORE, 3) == ("0", "1", "2")
    assert tokenizer.decision_labels(Kind.PREDICATE, 2) == ("yes", "no"), "of several tokens"
    # Small letters are one token, and no pair of capitals is.
    assert tokenizer.decision_labels(Kind.CHOICE, 52)[26:] == tuple("abcdefghijklmnopqrstuvwxyz")
    # Where A and a are one token, small letters are no labels of their own.
    labels = odd("lower_case").decision_labels(Kind.CHOICE, 40)
    assert len({label.lower() for label in labels}) == 40
