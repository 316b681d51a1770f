"""The work is the same for all rows, and no row finds another's prompts in its prefix cache."""

import pytest
from benchmarks.ceiling import flops
from benchmarks.rows import ROWS, chosen, lanes
from benchmarks.shapes import SHAPES
from benchmarks.workload import Task, Tasks, first, in_lane

from trueodds import Format, Question
from trueodds_demo import questions as demo
from trueodds_demo import world
from trueodds_demo.service import MODELS

TASK = next(iter(world.TASKS))


@pytest.fixture(scope="module")
def task() -> Task:
    tasks = Tasks(MODELS / "aligned", Format.LETTER, 4096)
    asked = demo.scored_questions(TASK, 4)
    return tasks.of(TASK, demo.shots(TASK), asked, 3)


def test_texts_and_tokens_are_those_of_the_questions(task: Task) -> None:
    assert len(task.questions) == len(task.prompts) == len(task.texts) == 3
    assert all(text.endswith("Answer:") for text in task.texts)
    prompts = [prompt.prompt for prompt in task.prompts]
    shared = task.shared_tokens
    assert len({prompt[:shared] for prompt in prompts}) == 1
    assert len({prompt[: shared + 1] for prompt in prompts}) > 1


def test_what_does_not_fit_is_left_out() -> None:
    tasks = Tasks(MODELS / "aligned", Format.PAREN, 4096)
    long, short = Question("long " * 5000, ["a", "b"]), Question("short", ["a", "b"])
    assert tasks.of("t", demo.shots(TASK), [long, short], 2).questions == [short]


def test_lanes_differ_from_the_first_token_on(task: Task) -> None:
    tasks = Tasks(MODELS / "aligned", Format.LETTER, 4096)
    other = tasks.of(TASK, in_lane(demo.shots(TASK), 1), task.questions, 3)
    assert other.questions == task.questions
    assert other.prompts[0].prompt[0] != task.prompts[0].prompt[0]
    assert in_lane(demo.shots(TASK), 0) == demo.shots(TASK)


def test_a_system_has_a_lane_for_each_way_it_scores_many() -> None:
    rows = chosen([row.key for row in ROWS])
    found = lanes(rows)
    taken = [(row.system, found[row.key]) for row in rows if row.work == "batches"]
    assert len(taken) == len(set(taken))
    assert found["unary-alone"] == found["async-alone"] == 0


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(ValueError, match="no such row: nothing"):
        chosen(["async", "nothing"])


def test_slow_rows_get_the_first_of_every_task(task: Task) -> None:
    assert [part.questions for part in first([task, task], 4)] == [task.questions[:2]] * 2
    assert first([task], None) == [task]


def test_the_ceiling_counts_shared_tokens_once(task: Task) -> None:
    shape = SHAPES["8b"]
    one = flops(shape, [task.part(0, 1)])
    assert flops(shape, [task]) < 3 * one
    # Two for each of the eight billion weights that a token passes, but for the embedding.
    assert shape.flops_per_token == pytest.approx(2 * 6.98e9, rel=0.01)
