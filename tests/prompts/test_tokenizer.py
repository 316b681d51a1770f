"""Questions in tokens: an option's are those that the model would write after the prompt."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.errors import InvalidInput
from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format, answer, render
from trueodds_service.prompts.prepared import Prepared
from trueodds_service.prompts.question import Question, Shot, letters
from trueodds_service.prompts.reading import Reading
from trueodds_service.prompts.tokenizer import PromptTokenizer

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
FORMATS = {
    "letter": LETTER,
    "paren": PAREN,
    "text": TEXT,
    # Neither shows its options; one reads what joins the prompt, one what ends in more.
    "joined": Format(question="{passage}{text}", answer="{text}"),
    "quoted": Format(question="{text}\n>", identifier=' "', answer="{label}"),
}
MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def questions(draw):
    options = draw(st.lists(TEXTS, min_size=2, max_size=4))
    labels = letters(len(options))
    if draw(st.booleans()):
        labels = tuple(draw(OWN_LABELS))
        options = [draw(TEXTS) for _ in labels]
    return Question(draw(TEXTS), tuple(options), labels, passage=draw(TEXTS))


def asked(text="Which one is it?", labels=("A", "B"), passage=""):
    return Question(text, tuple(f"option {label}" for label in labels), labels, passage)


def options_read(question, answer_format):
    """What is read after the identifier, for each option."""
    whole = [answer(question, index, answer_format) for index in range(len(question.options))]
    end = answer_format.answer.rpartition("}")[2]
    return [each[len(answer_format.identifier) :].removesuffix(end) for each in whole]


@pytest.mark.parametrize("answer_format", FORMATS.values(), ids=FORMATS)
@MANY
@given(batch=st.lists(questions(), min_size=1, max_size=3), shot=questions())
def test_an_option_is_what_it_adds_to_the_prompt(family, expect, found, answer_format, batch, shot):
    """For any text, any number of tokens, and where the tokenizer has met others before."""
    shots = [Shot(shot, 0)]
    read = "text" if answer_format.reads_text else "label"
    outcomes = family.prompts().prepare(batch, shots, Reading(answer_format))
    for question, outcome in zip(batch, outcomes, strict=True):
        text = render(question, shots, answer_format)
        options = options_read(question, answer_format)
        assert found(outcome) == expect(family, text, answer_format.identifier, options, read=read)
        if isinstance(outcome, Prepared):
            assert outcome.surfaces == tuple(
                ((option, place),) for place, option in enumerate(options)
            )


@pytest.mark.parametrize("answer_format", [LETTER, PAREN], ids=["letter", "paren"])
def test_every_family_can_answer_with_letters(family, answer_format):
    question = asked(labels=letters(128))
    [outcome] = family.prompts().prepare([question], [], Reading(answer_format))
    assert len(set(outcome.prompt.continuations)) == 128
    assert bool(outcome.prompt.identifier) == (answer_format is PAREN)


def test_every_family_can_answer_with_whole_texts(family):
    texts = ("New York", "New York City", "Łódź, in Poland", "東京", "a" * 60)
    question = Question("Where?", texts, letters(5))
    [outcome] = family.prompts().prepare([question], [], Reading(TEXT))
    lengths = [len(each) for each in outcome.prompt.continuations]
    assert lengths[0] < lengths[1], "one that begins as another is longer, not the same"
    assert max(lengths) > 2


def test_a_question_may_have_128_options(family, expect, found):
    question = asked(labels=tuple(f"class {n}" for n in range(128)))
    for answer_format in (LETTER, TEXT):
        [outcome] = family.prompts().prepare([question], [], Reading(answer_format))
        options = options_read(question, answer_format)
        assert found(outcome) == expect(family, render(question, [], LETTER), "", options)
        assert len(outcome.surfaces) == 128


def test_a_reading_is_read_as_if_no_other_had_been(family):
    used = family.prompts()
    readings = [
        Reading(each, variants=variants) for each in FORMATS.values() for variants in (False, True)
    ]
    for reading in readings * 2:
        fresh = family.prompts().prepare([asked()], [], reading)
        again = used.prepare([asked()], [], reading)
        assert list(map(str, again)) == list(map(str, fresh))


def test_a_prompt_begins_as_every_text_of_its_model(odd):
    for outcome in odd("with_bos").prepare([asked(), asked("Another?")], [], Reading(PAREN)):
        assert outcome.prompt.prompt[0] == 0
        assert 0 not in outcome.prompt.prompt[1:]
        assert 0 not in sum(outcome.prompt.continuations, ())


JOINED = Format(question="Ans", answer="{label}")


@pytest.mark.parametrize(
    ("maker", "answer_format", "labels", "field", "reason"),
    [
        # " (A" is one token, so "A" cannot be read after " (".
        ("merging_paren", PAREN, "AB", "options[0].label", "OPTION_CHANGES_PROMPT"),
        ("merging_colon", PAREN, "AB", "text", "FORMAT_CHANGES_PROMPT"),
        ("splitting_answer", PAREN, "AB", "text", "FORMAT_CHANGES_PROMPT"),
        ("splitting_answer", LETTER, "AB", "options[0].label", "OPTION_CHANGES_PROMPT"),
        ("lower_case", PAREN, "ABa", "options[2].label", "OPTIONS_SAME_TOKENS"),
        # "Answer" is one token, so "wer" cannot be read after "Ans".
        ("byte_level", JOINED, ["wer", "x"], "options[0].label", "OPTION_CHANGES_PROMPT"),
        ("lower_case", TEXT, "ABa", "options[2].text", "OPTIONS_SAME_TOKENS"),
    ],
)
def test_what_cannot_be_read_is_refused(odd, maker, answer_format, labels, field, reason):
    question = asked(labels=tuple(labels))
    [error] = odd(maker).prepare([question], [], Reading(answer_format))
    assert isinstance(error, InvalidInput)
    assert (error.field, error.reason) == (field, reason)
    for said in (*question.options, *question.labels):
        assert f"{said!r}" not in error.message


@pytest.mark.parametrize(
    ("maker", "answer_format", "labels"),
    [
        ("single_bytes", PAREN, "AB"),
        ("single_bytes", LETTER, "AB"),
        ("byte_level", PAREN, ["A", "two words"]),
        ("byte_level", LETTER, ["A", "B", "é"]),
    ],
)
def test_labels_and_identifiers_of_several_tokens_are_read(odd, maker, answer_format, labels):
    [outcome] = odd(maker).prepare([asked(labels=tuple(labels))], [], Reading(answer_format))
    assert max(map(len, [outcome.prompt.identifier, *outcome.prompt.continuations])) > 1


def test_another_format_can_do_where_one_cannot(odd):
    tokenizer = odd("merging_colon_keeping_letters")
    [paren] = tokenizer.prepare([asked()], [], Reading(PAREN))
    [letter] = tokenizer.prepare([asked()], [], Reading(LETTER))
    assert "use another format" in paren.message
    assert isinstance(letter, Prepared)


def test_a_question_that_cannot_be_read_leaves_the_others_alone(odd):
    batch = [asked(), asked(labels=("A", "B", "a")), asked("Another?")]
    good, bad, other = odd("lower_case").prepare(batch, [], Reading(PAREN))
    assert isinstance(bad, InvalidInput)
    assert [good] == odd("lower_case").prepare(batch[:1], [], Reading(PAREN))
    assert [other] == odd("lower_case").prepare(batch[2:], [], Reading(PAREN))


# Length


@pytest.mark.parametrize("answer_format", [LETTER, PAREN, TEXT], ids=["letter", "paren", "text"])
def test_a_prompt_that_is_too_long_is_refused_and_never_cut(family, answer_format):
    """The longest option has to fit as well; its first token has a place beyond the limit."""
    question = replace(asked("Which one? " * 20), options=("tin", "gold or silver"))
    reading = Reading(answer_format)
    [whole] = family.prompts().prepare([question], [], reading)
    room = whole.prompt.total_length - 1
    [fits] = family.prompts(room).prepare([question], [], reading)
    [refused] = family.prompts(room - 1).prepare([question], [], reading)
    longest = max(map(len, whole.prompt.continuations))
    assert whole.prompt.total_length == whole.prompt.length + longest
    assert fits == whole
    assert (refused.field, refused.reason) == ("text", "PROMPT_TOO_LONG")
    assert f"are {room + 1} tokens long" in refused.message
    assert f"at most {room}" in refused.message


def test_shots_count_towards_the_length(odd):
    shots = [Shot(asked("Long? " * 100), 0)] * 3
    [refused] = odd("byte_level").prepare([asked()], shots, Reading())
    assert refused.reason == "PROMPT_TOO_LONG"


def test_shots_end_in_their_answer(family):
    [outcome] = family.prompts().prepare([asked()], [Shot(asked(), 1)], Reading(PAREN))
    question = render(asked(), [], PAREN)
    assert outcome.prompt.prompt == family.encode(f"{question} (B)\n\n{question}")


def test_no_questions_make_no_prompts(odd):
    assert odd("byte_level").prepare([], [], Reading()) == []


# Variants


@pytest.mark.parametrize("answer_format", FORMATS.values(), ids=FORMATS)
@MANY
@given(question=questions())
def test_variants_are_ways_to_write_an_option(family, found, expect, answer_format, question):
    """With and without a space: each listed way is read as the tokenizer writes it, and once."""
    [plain] = family.prompts().prepare([question], [], Reading(answer_format))
    [outcome] = family.prompts().prepare([question], [], Reading(answer_format, variants=True))
    if isinstance(plain, InvalidInput):
        assert found(outcome) == found(plain)
        return
    identifier = answer_format.identifier
    text = render(question, [], answer_format)
    continuations = outcome.prompt.continuations
    assert len(set(continuations)) == len(continuations)
    assert continuations[: len(plain.surfaces)] == plain.prompt.continuations
    listed = [place for ways in outcome.surfaces for _, place in ways]
    assert sorted(listed) == list(range(len(continuations)))
    for ways, option in zip(outcome.surfaces, options_read(question, answer_format), strict=True):
        assert ways[0][0] == option
        assert len(ways) <= 2
        for written, place in ways:
            assert written.lstrip(" ") == option.lstrip(" ")
            assert family.encode(text + identifier + written) == (
                outcome.prompt.prompt + outcome.prompt.identifier + continuations[place]
            )


@pytest.mark.parametrize(
    ("answer_format", "ways"),
    [
        (LETTER, [[" A", "A"], [" B", "B"]]),
        (PAREN, [["A", " A"], ["B", " B"]]),
        (TEXT, [[" option A", "option A"], [" option B", "option B"]]),
    ],
    ids=["letter", "paren", "text"],
)
def test_an_option_is_read_with_and_without_a_space(gpt2, answer_format, ways):
    [outcome] = gpt2.prompts().prepare([asked()], [], Reading(answer_format, variants=True))
    assert [[written for written, _ in each] for each in outcome.surfaces] == ways


def test_what_cannot_be_told_from_another_is_no_variant(odd, gpt2):
    """Nothing counts twice: where spaces are lost, and where one's variant is another option."""
    [blind] = odd("space_blind").prepare([asked()], [], Reading(LETTER, variants=True))
    assert [len(ways) for ways in blind.surfaces] == [1, 1]
    question = Question("Which?", (" x", "x"), ("A", "B"))
    own = Format(question="{text}\n>", answer="{text}")
    [outcome] = gpt2.prompts().prepare([question], [], Reading(own, variants=True))
    ways = [[written for written, _ in each] for each in outcome.surfaces]
    assert ways == [[" x", "  x"], ["x"]]


# The last line


@MANY
@given(
    before=st.lists(TEXTS, max_size=3),
    line=TEXTS,
    labels=OWN_LABELS,
    lines=st.sampled_from(["\n", "\n\n", "\r\n", " \n", "\n "]),
)
def test_what_the_last_line_tells_is_what_the_whole_prompt_tells(
    family, expect, found, before, line, labels, lines
):
    """The options are looked up after the last line where that is safe: it always is the same."""
    own = Format(question="{text}", answer="{label}")
    question = asked(lines.join([*before, line]), tuple(labels))
    [outcome] = family.prompts().prepare([question], [], Reading(own))
    assert found(outcome) == expect(family, question.text, "", labels)


def test_a_token_may_reach_across_the_last_line_break(odd):
    """So the last line alone would tell of a token that the prompt does not have."""
    own = Reading(Format(question="{text}", answer="{label}"))
    joined, apart = odd("across_lines").prepare([asked("y\n"), asked("x\n")], [], own)
    assert (joined.field, joined.reason) == ("options[0].label", "OPTION_CHANGES_PROMPT")
    assert [len(each) for each in apart.prompt.continuations] == [1, 1]


# Special tokens


@pytest.mark.parametrize("text", ["<|end|>", "before <|end|> after", "<|end|"])
def test_the_text_of_a_special_token_is_text(weights, text):
    end = 0  # the first token of the folder's tokenizer
    question = Question(text, (text, "tin"), (text, "B"), passage=text)
    tokenizer = PromptTokenizer.load(weights, 1000)
    for answer_format in (LETTER, TEXT):
        shots = [Shot(question, 0)]
        [outcome] = tokenizer.prepare([question], shots, Reading(answer_format, variants=True))
        prompt = outcome.prompt
        assert end not in {*prompt.prompt, *prompt.identifier, *sum(prompt.continuations, ())}


def test_a_token_is_told_as_text(gpt2):
    tokenizer = gpt2.prompts()
    for text in ("Answer", " A", "<|im_end|>"):
        [token] = gpt2.encode(text, special=True)
        assert tokenizer.token_text(token) == text


def test_tokens_of_one_prompt_are_no_options_of_another(gpt2):
    """Questions of a batch are looked up together; each has its own."""
    batch = [asked(labels=labels) for labels in combinations("ABCD", 2)]
    outcomes = gpt2.prompts().prepare(batch, [], Reading(LETTER))
    for question, outcome in zip(batch, outcomes, strict=True):
        read = [gpt2.tokenizer.decode(list(each)) for each in outcome.prompt.continuations]
        assert read == [f" {label}" for label in question.labels]
