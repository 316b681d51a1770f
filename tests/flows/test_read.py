"""What is read of a question: normalizations, corrections of the order, prompts of all kinds."""

import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as changed
from tokenizers import Tokenizer

from trueodds_service.core.arrays.order_bias import cyclic_orders
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import InvalidInput, NotReady, PromptFault
from trueodds_service.flows.prepare import _orders
from trueodds_service.flows.score import Answer
from trueodds_service.prompts.formats import LETTER, PAREN, TEXT, Format
from trueodds_service.prompts.question import (
    ChatPrompt,
    Question,
    TextPrompt,
    TokenIdPrompt,
    letters,
)
from trueodds_service.prompts.reading import Normalization, OrderCorrection, Reading

OPTIONS = ("tin", "gold or silver", "Łódź", "gold or silver, in Łódź")
LABELS = ("A", "Bé", "two words", "東")
QUESTION = Question("Which is it?", OPTIONS, LABELS)
PROMPTED = Question("", OPTIONS, LABELS, prompt=TextPrompt("Which is it?\n\nIt is"))
CHAT = Question("", OPTIONS, LABELS, prompt=ChatPrompt((("user", "Which?"),), "It is"))
TOKENS = Question(
    "",
    OPTIONS,
    LABELS,
    prompt=TokenIdPrompt((70, 71, 72)),
    option_ids=((80,), (81, 82, 83), (81, 82), (90, 91)),
)
KINDS = {"question": QUESTION, "text": PROMPTED, "chat": CHAT, "token ids": TOKENS}
PREPARE = "trueodds_service.flows.prepare"
PMI, CYCLIC, PRIOR = Normalization.PMI, OrderCorrection.CYCLIC, OrderCorrection.PRIOR


def softmax(scores):
    weights = np.exp(scores - np.max(scores))
    return weights / weights.sum()


@pytest.fixture(scope="session")
def encode(weights):
    """The model's own tokenizer, without what is around it."""
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text).ids


class Counting(FakeEngine):
    """Keeps what it was asked."""

    def __init__(self):
        super().__init__(seed=7, sharpness=3.0)
        self.calls = []

    async def score(self, prompts):
        self.calls.append(list(prompts))
        return await super().score(prompts)


@pytest.fixture
def asked(house):
    """The prompts that a query asks the engine: in one call, and for PMI in a second one."""

    async def asked(*questions, **query):
        engine = Counting()
        house.serve("aligned", engine)
        await house.score(*questions, **query)
        assert len(engine.calls) == 1 + (query["reading"].normalization is PMI)
        return [prompt for call in engine.calls for prompt in call]

    return asked


# Logprobs


@pytest.mark.parametrize("answer_format", [LETTER, PAREN, TEXT], ids=["letter", "paren", "text"])
@pytest.mark.parametrize("question", KINDS.values(), ids=KINDS)
async def test_a_logprob_is_what_the_engine_says_of_the_whole_option(
    house, question, answer_format
):
    """One prompt an option, each asked alone, and every token of it in one sum."""
    [answer] = await house.score(question, reading=Reading(answer_format))
    engine = house.catalog.find("aligned").served.engine
    prompt = answer.read.as_asked.prepared.prompt
    read_at = prompt.prompt + prompt.identifier
    for option, ways in enumerate(answer.read.as_asked.prepared.surfaces):
        tokens = prompt.continuations[ways[0][1]]
        steps = [
            TokenPrompt(read_at + tokens[:place], (tokens[place : place + 1],))
            for place in range(len(tokens))
        ]
        scores = await engine.score(steps)
        alone = sum(score.continuations[0] for score in scores)
        assert answer.read.as_asked.logprobs[option] == pytest.approx(alone)
    assert answer.probabilities == pytest.approx(softmax(answer.read.as_asked.logprobs))


@pytest.mark.parametrize("question", [QUESTION, PROMPTED, CHAT], ids=["question", "text", "chat"])
async def test_the_format_probability_is_that_of_the_identifier(house, question):
    """Or the option mass, where the format has none."""
    [paren] = await house.score(question, reading=Reading(PAREN))
    identifier = Format(answer=" ({label}")
    [whole] = await house.score(question, reading=Reading(identifier))
    after = paren.read.as_asked
    joint = np.log(after.format_probability) + after.logprobs
    assert whole.read.as_asked.logprobs == pytest.approx(joint)
    assert whole.read.as_asked.format_probability == whole.option_mass
    assert after.format_probability < 1


async def test_a_format_probability_that_was_rounded_above_one_is_one(house, make_questions):
    class Rounding(FakeEngine):
        """Sure of the identifier, with the error of the engine's arithmetic."""

        async def score(self, prompts):
            return [changed(each, identifier=1e-6) for each in await super().score(prompts)]

    house.serve("aligned", Rounding())
    [answer] = await house.score(*make_questions(1), reading=Reading(PAREN))
    assert answer.read.as_asked.format_probability == 1


async def test_an_option_that_begins_as_another_counts_once(house):
    question = Question("Where?", ("New York", "New York City", "Rome"), letters(3))
    [answer] = await house.score(question, reading=Reading(TEXT))
    new_york, city, rome = np.exp(answer.read.as_asked.logprobs)
    assert city < new_york
    assert answer.option_mass == pytest.approx(new_york + rome)


async def test_variants_are_summed(house):
    spaced, bare = Format(answer=" {label}"), Format(answer="{label}")
    question = replace(QUESTION, labels=("A", "B", "one", "two"))
    [with_space] = await house.score(question, reading=Reading(spaced))
    [without] = await house.score(question, reading=Reading(bare))
    [both] = await house.score(question, reading=Reading(spaced, variants=True))
    summed = np.logaddexp(with_space.read.scores, without.read.scores)
    assert both.read.scores == pytest.approx(summed)
    assert both.option_mass == pytest.approx(with_space.option_mass + without.option_mass)
    assert [[name for name, _ in ways] for ways in both.read.as_asked.prepared.surfaces] == [
        [f" {label}", label] for label in question.labels
    ]


# Normalizations


LENGTHS = {
    Normalization.BYTES: lambda names: [len(name.encode()) for name in names],
    Normalization.CHARACTERS: lambda names: [len(name) for name in names],
}


@pytest.mark.parametrize("normalization", LENGTHS)
@pytest.mark.parametrize("answer_format", [LETTER, PAREN, TEXT], ids=["letter", "paren", "text"])
@pytest.mark.parametrize("question", KINDS.values(), ids=KINDS)
async def test_a_score_is_the_logprob_for_each_byte_or_character(
    house, question, answer_format, normalization
):
    """Of what names the option, without the space or bracket before it."""
    by_text = answer_format is TEXT or question is TOKENS
    lengths = LENGTHS[normalization](OPTIONS if by_text else LABELS)
    [answer] = await house.score(question, reading=Reading(answer_format, normalization))
    read = answer.read
    assert read.scores == pytest.approx(read.as_asked.logprobs / lengths)
    assert answer.probabilities == pytest.approx(softmax(read.as_asked.logprobs / lengths))
    if normalization is Normalization.BYTES:
        assert read.as_asked.byte_counts == tuple(lengths)


@pytest.mark.parametrize("question", [QUESTION, PROMPTED], ids=["question", "text"])
async def test_a_score_is_the_logprob_for_each_token(house, question, encode):
    [answer] = await house.score(question, reading=Reading(TEXT, Normalization.TOKENS))
    before = "Answer:" if question is QUESTION else "It is"
    counts = [len(encode(f"{before} {option}")) - len(encode(before)) for option in OPTIONS]
    assert len(set(counts)) > 2
    assert answer.read.as_asked.token_counts == tuple(counts)
    assert answer.read.scores == pytest.approx(answer.read.as_asked.logprobs / counts)


async def test_given_token_ids_are_counted(house):
    [answer] = await house.score(TOKENS, reading=Reading(LETTER, Normalization.TOKENS))
    assert answer.read.as_asked.token_counts == (1, 3, 2, 2)
    assert answer.read.scores == pytest.approx(answer.read.as_asked.logprobs / [1, 3, 2, 2])


@pytest.mark.parametrize("variants", [False, True])
@pytest.mark.parametrize("answer_format", [LETTER, PAREN, TEXT], ids=["letter", "paren", "text"])
async def test_pmi_is_the_difference_of_two_scores(house, answer_format, variants):
    alone = TextPrompt("Answer:")
    plain = Reading(answer_format, variants=variants)
    [given] = await house.score(QUESTION, reading=plain)
    [without] = await house.score(replace(PROMPTED, prompt=alone), reading=plain)
    [answer] = await house.score(
        QUESTION, reading=replace(plain, normalization=PMI, unconditional=alone)
    )
    read = answer.read
    assert read.as_asked.logprobs.tolist() == given.read.scores.tolist()
    assert read.as_asked.unconditional == pytest.approx(without.read.scores)
    assert read.scores == pytest.approx(given.read.scores - without.read.scores)
    assert answer.option_mass == given.option_mass


async def test_the_unconditional_prompt_is_asked_once_for_the_same_options(asked):
    reading = Reading(TEXT, PMI, TextPrompt("Answer:"))
    questions = [replace(QUESTION, text=f"{number}?") for number in range(5)]
    other = replace(QUESTION, options=OPTIONS[:3], labels=LABELS[:3])
    assert len(await asked(*questions, reading=reading)) == 6
    assert len(await asked(*questions, other, reading=reading)) == 8


@pytest.mark.parametrize(
    ("prompt", "field", "reason"),
    [
        (TokenIdPrompt((10**6,)), ".token_ids", "UNKNOWN_TOKEN"),
        (TextPrompt("", special=True), ".source", "EMPTY_PROMPT"),
        (ChatPrompt((("user", "<|end|>"),)), ".chat.messages[0].content", "SPECIAL_TOKEN_IN_TEXT"),
        (TextPrompt("long " * 300), ".source", "PROMPT_TOO_LONG"),
    ],
    ids=["unknown", "empty", "special", "long"],
)
async def test_a_wrong_unconditional_prompt_is_the_whole_querys(house, prompt, field, reason):
    reading = Reading(TEXT, PMI, prompt)
    with pytest.raises(InvalidInput) as caught:
        await house.score(QUESTION, reading=reading)
    assert caught.value.field == f"settings.reading.unconditional_prompt{field}"
    assert caught.value.reason == reason


async def test_the_unconditional_prompt_has_the_room_of_any_prompt(house, encode):
    """With the longest option it may be as long as what the model reads."""
    served = house.catalog.find("aligned").served
    room = served.max_prompt_tokens + 1
    options = max(len(encode(f" {option}")) for option in QUESTION.options)

    def alone(tokens):
        return Reading(TEXT, PMI, TokenIdPrompt((encode(" the")[0],) * tokens))

    await house.score(QUESTION, reading=alone(room - options))
    with pytest.raises(InvalidInput) as caught:
        await house.score(QUESTION, reading=alone(room - options + 1))
    assert caught.value.reason == "PROMPT_TOO_LONG"


# Order


class Opinionated(FakeEngine):
    """ln p of an option is what its text deserves, plus what its place is liked for."""

    def __init__(self, weights, content, bias):
        super().__init__()
        tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self._decode = lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False)
        self._content, self._bias = content, bias

    async def score(self, prompts):
        return [self._opinion(prompt) for prompt in prompts]

    def _opinion(self, prompt):
        lines = re.findall(r"^(\w)\. (.*)$", self._decode(prompt.prompt), re.MULTILINE)
        bias = np.array(self._bias[: len(lines)])
        logits = np.array([self._content[text] for _, text in lines]) + bias
        logprobs = dict(zip([label for label, _ in lines], logits - 3.0, strict=True))
        labels = [self._decode(each).strip() for each in prompt.continuations]
        read = np.array([logprobs[label] for label in labels]) - 3.0
        return TokenScore(tuple(read.tolist()), greedy=tuple((read == read.max()).tolist()))


CONTENT = {"zero": 0.0, "one": 0.4, "two": -1.0, "three": 0.3, "four": 0.7}
BIAS = [1.0, -2.0, 0.5, 0.0, 0.25]
BIASED = [
    Question(f"{number}?", tuple(np.roll([*CONTENT], number)[:count]), letters(count))
    for number in range(9)
    for count in (3, 5)
]


@pytest.fixture
def biased(house, weights):
    house.serve("aligned", Opinionated(weights, CONTENT, BIAS))


def deserved(question):
    return softmax(np.array([CONTENT[option] for option in question.options]))


async def test_a_biased_model_is_misled_by_places(house, biased):
    """Without this the tests of corrections would hold for no correction as well."""
    answers = await house.score(*BIASED, reading=Reading(LETTER))
    misled = [
        answer.choice != deserved(question).argmax()
        for question, answer in zip(BIASED, answers, strict=True)
    ]
    assert sum(misled) >= len(BIASED) / 2


async def test_an_estimated_prior_takes_the_bias_out(house, biased):
    """The prior of a count of options is the bias itself, and the content is what is left."""
    answers = await house.score(*BIASED, reading=Reading(LETTER, order=PRIOR))
    for question, answer in zip(BIASED, answers, strict=True):
        count = len(question.options)
        assert answer.read.prior == pytest.approx(softmax(np.array(BIAS[:count])))
        assert answer.probabilities == pytest.approx(deserved(question))
        assert answer.read.orders == ()


async def test_a_prior_from_an_earlier_answer_does_the_same(house, biased):
    asked = [question for question in BIASED if len(question.options) == 5]
    [first, *_] = await house.score(*asked, reading=Reading(LETTER, order=PRIOR))
    given = Reading(LETTER, order=PRIOR, label_prior=first.read.prior)
    for question in asked:
        [answer] = await house.score(question, reading=given)
        assert answer.probabilities == pytest.approx(deserved(question))
        assert answer.read.prior == first.read.prior


async def test_equal_options_are_equal_after_cyclic_averaging(house, weights):
    house.serve("aligned", Opinionated(weights, dict.fromkeys(CONTENT, 0.3), BIAS))
    for answer in await house.score(*BIASED, reading=Reading(LETTER, order=CYCLIC)):
        count = len(answer.probabilities)
        assert answer.probabilities == pytest.approx(np.full(count, 1 / count))


@pytest.mark.parametrize("answer_format", [LETTER, TEXT], ids=["letter", "text"])
@pytest.mark.parametrize("normalization", [Normalization.SUM, Normalization.BYTES])
async def test_a_cyclic_answer_is_the_mean_over_the_orders(house, answer_format, normalization):
    """Each order asked by hand, and each option given what it got where it stood."""
    reading = Reading(answer_format, normalization)
    [answer] = await house.score(QUESTION, reading=replace(reading, order=CYCLIC))
    expected = np.zeros(4)
    for order in cyclic_orders(4):
        shown = replace(QUESTION, options=tuple(OPTIONS[option] for option in order))
        [alone] = await house.score(shown, reading=reading)
        expected[list(order)] += alone.probabilities / 4
    [as_asked] = await house.score(QUESTION, reading=reading)
    assert answer.read.orders == cyclic_orders(4)
    assert answer.probabilities == pytest.approx(expected)
    assert answer.choice == expected.argmax()
    assert answer.read.as_asked.logprobs.tolist() == as_asked.read.as_asked.logprobs.tolist()
    assert answer.option_mass == as_asked.option_mass


async def test_a_given_prior_is_divided_out(house):
    prior = (0.1, 0.2, 0.3, 0.4)
    [plain] = await house.score(QUESTION, reading=Reading(LETTER))
    [answer] = await house.score(QUESTION, reading=Reading(LETTER, order=PRIOR, label_prior=prior))
    left = plain.probabilities / prior
    assert answer.probabilities == pytest.approx(left / left.sum())
    assert answer.read.prior == prior
    assert answer.read.as_asked.scores.tolist() == plain.read.scores.tolist()


@pytest.mark.parametrize(
    ("count", "reading", "prompts"),
    [
        (10, Reading(), 10),
        (10, Reading(order=CYCLIC), 40),
        (10, Reading(order=PRIOR, label_prior=(0.1, 0.2, 0.3, 0.4)), 10),
        # At least eight are asked in every order, and a twentieth of many.
        (5, Reading(order=PRIOR), 20),
        (10, Reading(order=PRIOR), 8 * 4 + 2),
        (200, Reading(order=PRIOR), 10 * 4 + 190),
    ],
)
async def test_a_correction_costs_so_many_prompts(asked, make_questions, count, reading, prompts):
    assert len(await asked(*make_questions(count), reading=reading)) == prompts


def test_the_prior_is_of_questions_from_all_over_the_batch(make_questions):
    """Questions come sorted by subject, and a model may like other labels at another."""
    asked = make_questions(90)
    places = Counter(place for place, _ in _orders(asked, Reading(order=PRIOR)))
    in_all = [place for place, orders in places.items() if orders > 1]
    assert len(in_all) == 8
    assert {place // 30 for place in in_all} == {0, 1, 2}


async def test_a_given_prior_is_for_its_number_of_options(house, make_questions):
    reading = Reading(order=PRIOR, label_prior=(0.5, 0.3, 0.2))
    three, four = make_questions(1, options=3)[0], make_questions(1)[0]
    fine, wrong, also_fine = await house.score(three, four, three, reading=reading)
    assert isinstance(wrong, InvalidInput)
    assert wrong.field == "options"
    assert fine.read.prior == also_fine.read.prior == (0.5, 0.3, 0.2)


class Sparse(FakeEngine):
    """Rules the first option out."""

    async def score(self, prompts):
        return [
            changed(each, continuations=(-math.inf, *each.continuations[1:]))
            for each in await super().score(prompts)
        ]


async def test_a_prior_that_cannot_be_told_is_no_prior(house, make_questions):
    house.serve("aligned", Sparse())
    outcomes = await house.score(*make_questions(3), reading=Reading(order=PRIOR))
    assert [each.reason for each in outcomes] == ["NO_LABEL_PRIOR"] * 3
    assert all(isinstance(each, NotReady) for each in outcomes)


@pytest.mark.parametrize("normalization", Normalization)
async def test_an_option_that_is_ruled_out_stays_so(house, normalization):
    house.serve("aligned", Sparse())
    alone = TextPrompt("Answer:") if normalization is PMI else None
    [answer] = await house.score(QUESTION, reading=Reading(TEXT, normalization, alone))
    assert answer.read.scores[0] == -math.inf
    assert answer.probabilities[0] == 0
    assert answer.probabilities.sum() == pytest.approx(1)


# Batches


async def test_a_batch_may_mix_kinds_of_prompts_and_numbers_of_options(house, make_questions):
    batch = [*KINDS.values(), *make_questions(2, options=3), *make_questions(1, options=7)]
    for reading in (Reading(), Reading(TEXT, Normalization.TOKENS, variants=True)):
        together = await house.score(*batch[::-1], reading=reading)
        for question, answer in zip(batch[::-1], together, strict=True):
            [alone] = await house.score(question, reading=reading)
            assert answer.read.question == question
            assert answer.probabilities.tolist() == alone.probabilities.tolist()
            assert answer.option_mass == alone.option_mass


BAD = {
    "too long": (replace(PROMPTED, prompt=TextPrompt("long " * 300)), "prompt"),
    "unknown token": (replace(TOKENS, prompt=TokenIdPrompt((10**6,))), "prompt.token_ids"),
    "special": (
        replace(CHAT, prompt=ChatPrompt((("user", "<|end|>"),))),
        "prompt.chat.messages[0].content",
    ),
    "same options": (replace(QUESTION, options=("tin",) * 4), "options[1].text"),
}


@pytest.mark.parametrize(
    ("bad", "field", "order"),
    [
        (bad, field, order)
        for bad, field in BAD.values()
        for order in OrderCorrection
        # The order of a prompt of one's own cannot be changed, and none is asked to.
        if bad.prompt is None or order is OrderCorrection.NONE
    ],
)
async def test_what_cannot_be_asked_fails_alone(house, make_questions, bad, field, order):
    reading = Reading(TEXT, order=order)
    fine = make_questions(2)
    first, wrong, last = await house.score(fine[0], bad, fine[1], reading=reading)
    assert isinstance(wrong, InvalidInput)
    assert wrong.field == field
    alone = await house.score(*fine, reading=reading)
    for answer, expected in zip((first, last), alone, strict=True):
        assert isinstance(answer, Answer)
        assert answer.probabilities.tolist() == expected.probabilities.tolist()


# Top tokens


@pytest.mark.parametrize("count", [1, 5, 20])
@pytest.mark.parametrize("order", [OrderCorrection.NONE, CYCLIC])
async def test_the_likeliest_tokens_stand_at_the_place_of_the_answer(house, count, order):
    """After the identifier, in the order that was asked."""
    reading = Reading(PAREN, order=order)
    question = replace(QUESTION, labels=letters(4))
    [answer] = await house.score(question, reading=reading, top_tokens=count)
    engine, prompt = answer.read.as_asked.engine, answer.read.as_asked.prepared.prompt
    logprobs = [logprob for _, logprob in engine.top_tokens]
    assert len(logprobs) == count
    assert logprobs == sorted(logprobs, reverse=True)
    [score] = await house.catalog.find("aligned").served.engine.score(
        [changed(prompt, continuations=tuple((token,) for token, _ in engine.top_tokens))]
    )
    assert score.continuations == pytest.approx(logprobs)
    [without] = await house.score(question, reading=reading)
    assert without.read.as_asked.engine.top_tokens == ()
    assert without.probabilities.tolist() == answer.probabilities.tolist()


class Faulty(FakeEngine):
    """Fails at every other prompt, in its own way."""

    def __init__(self, fault):
        super().__init__(seed=7)
        self._fault = fault

    async def score(self, prompts, adapter=None):
        scores = await super().score(prompts, adapter)
        return [self._fault(each) if place % 2 else each for place, each in enumerate(scores)]


FAULTS = {
    "NaN": ("LOGITS_NAN", lambda score: changed(score, continuations=(math.nan,) * 4)),
    "one NaN": ("LOGITS_NAN", lambda score: changed(score, continuations=(-1.0, math.nan) * 2)),
    "infinite": ("LOGITS_NAN", lambda score: changed(score, continuations=(math.inf,) * 4)),
    "NaN on top": ("LOGITS_NAN", lambda score: changed(score, top_tokens=((7, math.nan),))),
    "NaN identifier": ("LOGITS_NAN", lambda score: changed(score, identifier=math.nan)),
    "told": ("ENGINE_FAULT", lambda _: PromptFault("it failed", reason="ENGINE_FAULT")),
    "one too few": ("ENGINE_FAULT", lambda _: TokenScore((-1.0,) * 3, (False,) * 3)),
    "one too many": ("ENGINE_FAULT", lambda _: TokenScore((-1.0,) * 5, (False,) * 5)),
    "no greedy": ("ENGINE_FAULT", lambda _: TokenScore((-1.0,) * 4, ())),
    "nothing": ("ENGINE_FAULT", lambda _: None),
}


@pytest.mark.parametrize(("reason", "fault"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_at_a_prompt_is_that_questions(house, reason, fault):
    house.serve("aligned", Faulty(fault))
    questions = [replace(QUESTION, text=f"{number}?") for number in range(4)]
    outcomes = await house.score(*questions)
    assert [isinstance(each, Answer) for each in outcomes] == [True, False] * 2
    for outcome in outcomes[1::2]:
        assert isinstance(outcome, PromptFault)
        assert outcome.reason == reason


async def test_prompts_made_in_pieces_are_those_made_at_once(asked, make_questions, monkeypatch):
    """Also where a question is wrong, and in which order it is asked first."""
    questions = (*make_questions(3), Question("long " * 500, OPTIONS, LABELS), QUESTION)
    reading = Reading(LETTER, order=CYCLIC)
    at_once = await asked(*questions, reading=reading)
    monkeypatch.setattr(f"{PREPARE}._PIECE_CHARACTERS", 1)
    monkeypatch.setattr(f"{PREPARE}._PIECE_PROMPTS", 3)
    assert await asked(*questions, reading=reading) == at_once
    assert len(at_once) == 16
