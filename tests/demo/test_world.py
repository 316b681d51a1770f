"""The demo world: its distributions are the truth, and its held-out part stays held out."""

from functools import cache
from itertools import islice
from random import Random

import numpy as np
import pytest

from trueodds_demo.world import TASKS, Example, held_out, shots, training
from trueodds_demo.world.documents import answered, documents
from trueodds_demo.world.example import Draft
from trueodds_demo.world.partition import is_held_out, key
from trueodds_demo.world.prose import listing
from trueodds_demo.world.tasks import COMPOSERS
from trueodds_service.prompts.formats import BUILT_IN, PAREN, TEXT, Format, render
from trueodds_service.prompts.question import Shot, letters

OPTIONS = {task: 2 if task in {"toxicity", "sentiment"} else 4 for task in TASKS}


@cache
def _many(task: str) -> list[Example]:
    return held_out(task, 2500)


def held(task: str, count: int) -> list[Example]:
    """The first held-out questions, drawn once for all tests: more of them begin with fewer."""
    return _many(task)[:count]


def draft_of(example: Example) -> Draft:
    """The question as the partition sees it."""
    question = example.question
    return Draft(question.text, question.options, example.distribution, question.passage)


def test_the_tasks_are_those_of_the_paper() -> None:
    assert TASKS == (
        "knowledge",
        "completion",
        "openbook",
        "truth",
        "logic",
        "toxicity",
        "sentiment",
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_question_is_well_formed(task: str) -> None:
    for example in held(task, 300):
        question = example.question
        assert len(question.options) == len(set(question.options)) == OPTIONS[task]
        assert question.labels == letters(OPTIONS[task])
        assert len(example.distribution) == OPTIONS[task]
        assert sum(example.distribution) == pytest.approx(1.0)
        assert min(example.distribution) > 0
        assert 0 <= example.answer < OPTIONS[task]
        assert not {"{", "}"} & set(question.text + question.passage)


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_drawn_from_the_stated_distribution(task: str) -> None:
    """Labels and stated probabilities agree, option by option, within four standard errors."""
    examples = held(task, 2500)
    stated = np.array([each.distribution for each in examples])
    drawn = np.eye(OPTIONS[task])[[each.answer for each in examples]]
    ranked = np.argsort(stated, axis=1)
    stated, drawn = (np.take_along_axis(each, ranked, axis=1) for each in (stated, drawn))
    error = np.sqrt((stated * (1 - stated)).sum(axis=0)) / len(examples)
    assert (np.abs(drawn.mean(axis=0) - stated.mean(axis=0)) < 4 * error).all()


@pytest.mark.parametrize("task", TASKS)
def test_the_truth_is_uncertain_in_varied_degrees(task: str) -> None:
    examples = held(task, 1000)
    confidence = np.array([max(each.distribution) for each in examples])
    right = [int(np.argmax(each.distribution)) == each.answer for each in examples]
    assert 0.55 <= np.mean(right) <= 0.8
    assert confidence.std() > 0.1


@pytest.mark.parametrize("task", TASKS)
def test_every_position_holds_the_answer_equally_often(task: str) -> None:
    counts = np.bincount([each.answer for each in held(task, 2000)], minlength=OPTIONS[task])
    expected = 2000 / OPTIONS[task]
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("task", TASKS)
def test_held_out_questions_are_distinct_and_held_out(task: str) -> None:
    drafts = [draft_of(each) for each in held(task, 2500)]
    assert len({key(draft) for draft in drafts}) == 2500
    assert all(is_held_out(draft) for draft in drafts)


def test_training_never_shows_a_held_out_question() -> None:
    asked = {key(draft_of(each)) for task in TASKS for each in held(task, 2500)}
    for task in TASKS:
        for example in islice(training(task, Random(7)), 2000):
            draft = draft_of(example)
            assert not is_held_out(draft)
            assert key(draft) not in asked


def test_documents_never_show_a_held_out_question() -> None:
    """The rendered text itself: no held-out passage and question stand in any document."""
    rendered = {
        render(each.question, (), PAREN).partition("\nA. ")[0]: each
        for task in TASKS
        if task != "knowledge"  # there the options are part of what is held out
        for each in held(task, 1000)
    }
    shown: set[str] = set()
    for document in islice(documents(Random(3)), 3000):
        shown.update(part.partition("\nA. ")[0] for part in document.split("\n\n"))
    both = shown & rendered.keys()
    # The same words may be asked with other options; with the same options they never are.
    assert all(OPTIONS[rendered[text].task] == 4 for text in both)


def test_the_order_of_the_options_does_not_move_a_question_across() -> None:
    draft = COMPOSERS["knowledge"](Random(1))
    turned = Draft(draft.text, draft.options[::-1], draft.weights[::-1], draft.passage)
    assert key(draft) == key(turned)


@pytest.mark.parametrize("task", TASKS)
def test_draws_are_determined_by_their_seed(task: str) -> None:
    assert held_out(task, 50, seed=3) == held_out(task, 50, seed=3)
    assert held_out(task, 50, seed=3) != held_out(task, 50, seed=4)
    assert held_out(task, 50) == held_out(task, 200)[:50]
    first, second = (list(islice(training(task, Random(1)), 20)) for _ in range(2))
    assert first == second


def test_asking_for_more_than_there_is_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(1)
    drafts = (COMPOSERS["logic"](rng) for _ in range(1000))
    only = next(draft for draft in drafts if is_held_out(draft))
    monkeypatch.setitem(COMPOSERS, "logic", lambda _: only)
    assert len(held_out("logic", 1)) == 1
    with pytest.raises(ValueError, match="fewer than 2"):
        held_out("logic", 2)


@pytest.mark.parametrize("task", TASKS)
def test_shots_are_fixed_and_from_the_training_part(task: str) -> None:
    worked = shots(task)
    assert len(worked) == 5
    assert worked == shots(task)
    assert worked[:2] == shots(task, 2)
    assert not any(is_held_out(draft_of(each)) for each in worked)


@pytest.mark.parametrize("answer_format", BUILT_IN.values(), ids=BUILT_IN)
def test_documents_read_as_the_service_renders_shots(answer_format: Format) -> None:
    examples = shots("openbook", 3)
    document = "\n\n".join(answered(each, answer_format) for each in examples)
    *worked, asked = examples
    prompt = render(
        asked.question, [Shot(each.question, each.answer) for each in worked], answer_format
    )
    assert document.startswith(prompt)


def test_an_answer_in_words_is_the_option_itself() -> None:
    example = shots("completion", 1)[0]
    said = answered(example, TEXT).rpartition("Answer: ")[2]
    assert said == example.question.options[example.answer]


def test_listing_reads_as_english() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b"]) == "a and b"
    assert listing(["a", "b", "c"]) == "a, b and c"
