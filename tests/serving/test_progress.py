"""The lines of `trueodds serve` about its models: each change once."""

from trueodds_service.serving.progress import ModelsProgress, in_short, together

STARTING, READY, LOST = ("STARTING", ""), ("READY", ""), ("LOST", "")
FAILED = ("FAILED", "no memory")


def told(*states):
    """What is said at each of the states of models a and b."""
    progress = ModelsProgress()
    return [[*progress.lines({"a": a, "b": b})] for a, b in states]


def test_ready_means_every_model_and_is_said_once():
    states = [(STARTING, STARTING), (READY, STARTING), (READY, READY), (READY, READY)]
    assert told(*states) == [[], [], ["ready: a, b"], []]


def test_a_model_that_is_lost_and_back_is_a_line_each():
    states = [(READY, READY), (READY, LOST), (READY, LOST), (READY, READY)]
    assert told(*states)[1:] == [["b is lost: its engine is being replaced"], [], ["b is back"]]
    states = [(READY, READY), (READY, ("LOST", "no gateway answers"))]
    assert told(*states)[1:] == [["b is lost: no gateway answers"]]


def test_a_model_that_fails_is_named_and_nothing_is_called_ready():
    states = [(STARTING, FAILED), (READY, FAILED), (READY, FAILED), (READY, READY)]
    assert told(*states) == [
        ["b has failed: no memory"],
        ["not ready: b; serving a"],
        [],
        ["b is back", "ready: a, b"],
    ]


def test_in_short_all_are_counted_and_those_that_are_not_ready_are_named():
    assert in_short({"a": READY, "b": READY}) == "2 of 2 models ready"
    assert in_short({"a": FAILED, "b": READY, "c": LOST}) == "1 of 3 models ready; a FAILED; c LOST"


def test_before_the_gateway_answers_nothing_is_said():
    assert [*ModelsProgress().lines({})] == []


def test_a_model_is_ready_where_all_gateways_say_so():
    ready, lost = ("READY", ""), ("LOST", "")
    failed = ("FAILED", "out of memory")
    assert together([]) == {}
    assert together([{"a": ready}, {"a": ready}]) == {"a": ready}
    assert together([{"a": ready}, {"a": ("STARTING", "")}]) == {"a": ("STARTING", "")}
    assert together([{"a": lost, "b": ready}, {"a": ready, "b": failed}]) == {
        "a": lost,
        "b": failed,
    }


def test_while_one_configuration_takes_another_s_place_gateways_know_other_models():
    ready, starting = ("READY", ""), ("STARTING", "")
    before, after = {"a": ready, "gone": ready}, {"a": starting, "new": starting}
    assert together([before, after]) == {"a": starting, "gone": ready, "new": starting}
