"""Why an answer is raw: the words, and which scopes are named as near."""

from dataclasses import replace
from difflib import SequenceMatcher

import pytest

from trueodds_service.flows.raw import raw_because
from trueodds_service.store import Scope

ASKED = Scope("model", "a" * 16, "exams", "paren", 3, 4)
HERE = "task 'exams', 4 options, reading 'paren'"
NONE = f"no calibrator is active for {HERE}, nor for the model's default"


def near(because):
    """The tasks that it names, in their order."""
    return [each.split("'")[0] for each in because.removeprefix(NONE).split("task '")[1:]]


def test_a_model_without_any():
    others = [replace(ASKED, model="another")]
    assert raw_because(ASKED, others) == f"{NONE}; the model has none"


def test_the_default_task_is_named_once():
    because = raw_because(replace(ASKED, task=""), [])
    asked = "the default task, 4 options, reading 'paren'"
    assert because == f"no calibrator is active for {asked}; the model has none"


def test_one_is_the_nearest():
    because = raw_because(ASKED, [replace(ASKED, options=5)])
    named = "task 'exams', 5 options, reading 'paren'"
    assert because == f"{NONE}; the nearest is for {named}"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"revision": "b" * 16}, " (another revision of the model)"),
        ({"format_version": 4}, " (another version of the formats)"),
        ({"revision": "b" * 16, "format_version": 4}, " (another revision of the model)"),
    ],
)
def test_what_is_outdated_says_so(other, told):
    because = raw_because(ASKED, [replace(ASKED, **other)])
    assert because == f"{NONE}; the nearest is for {HERE}{told}"


def test_the_nearest_three_are_named_in_their_order():
    active = [
        replace(ASKED, task="news"),
        replace(ASKED, task="exam"),
        replace(ASKED, task="exans", options=5),
        replace(ASKED, task="exams", options=5),
    ]
    because = raw_because(ASKED, active)
    assert because.startswith(f"{NONE}; near: task")
    assert near(because) == ["exams", "exam", "news"]


@pytest.mark.parametrize("differing", ["revision", "format_version", "reading", "options"])
def test_each_thing_that_differs_puts_a_scope_further_away(differing):
    other = {"revision": "b" * 16, "format_version": 4, "reading": "letter", "options": 5}
    # A default differs in its task by nothing: it answers for all.
    near_by, away = replace(ASKED, task="", options=9), replace(ASKED, options=9)
    if differing == "options":
        near_by, away = replace(ASKED, task="", reading="x"), replace(ASKED, reading="x")
    away = replace(away, **{differing: other[differing]})
    because = raw_because(ASKED, [away, near_by])
    assert because.index("the default task") < because.index("task 'exams', ", len(NONE))


def test_another_task_is_as_far_as_two_things():
    active = [
        replace(ASKED, task="exam"),
        replace(ASKED, revision="b" * 16),
        replace(ASKED, revision="b" * 16, options=5, reading="letter"),
    ]
    because = raw_because(ASKED, active)
    assert near(because) == ["exams", "exam", "exams"]


def test_among_a_thousand_the_nearest_are_found_and_few_compared_letter_by_letter(monkeypatch):
    ratio, compared = SequenceMatcher.ratio, []

    def counted(self):
        compared.append(self.a)
        return ratio(self)

    monkeypatch.setattr(SequenceMatcher, "ratio", counted)
    others = [replace(ASKED, task=f"routing of tickets {n}") for n in range(1000)]
    tasks = ["exam", "exams 2", "exmas"]
    because = raw_because(ASKED, [*others, *(replace(ASKED, task=each) for each in tasks)])
    assert sorted(near(because)) == tasks
    assert near(because)[0] == "exam"
    assert len(compared) < 50
