"""The demo's own tasks, for a machine without AGIEval."""

from itertools import islice

from benchmarks.workload import Round, Tasks, in_lane, one_by_one
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots


def rounds(tasks: Tasks, per_task: int, alone: int, count: int, lane: int) -> list[Round]:
    """``count`` rounds of the demo's seven tasks, 5 shots each; no question comes twice.

    The shots do, as in a service that has run for a while.
    """
    each = per_task + alone
    asked = {task: iter(scored_questions(task, each * count)) for task in world.TASKS}
    found = []
    for _ in range(count):
        made = [
            tasks.of(name, in_lane(shots(name), lane), list(islice(questions, each)), each)
            for name, questions in asked.items()
        ]
        found.append(
            Round(
                [task.part(0, per_task) for task in made],
                [single for task in made for single in one_by_one(task.part(per_task, each))],
            )
        )
    return found
