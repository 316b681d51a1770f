"""Rates and latencies of the last minute, from what is counted."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from trueodds_service.edge.metrics.recent import Looks
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.edge.metrics.state import GatewayState, StateCollector, of_state
from trueodds_service.watching import Answered

SCORE = "trueodds.v1.ScoringService/Score"


class Played:
    """A gateway that counts, and a clock."""

    def __init__(self):
        self.now = 100.0
        self.registry = CollectorRegistry()
        self.requests = RequestMetrics(self.registry)
        state = GatewayState({"aligned": "READY"}, {}, {}, {}, 0.0, False, {})
        self.registry.register(StateCollector(lambda: of_state(state)))
        self.looks = Looks(lambda: generate_latest(self.registry), lambda: self.now)

    def ask(self, count, seconds, status="OK"):
        for _ in range(count):
            self.requests.ended(SCORE, status, "", "", seconds)
            self.requests.answered(Answered("aligned", calibrated=1, raw=2, prompt_tokens=10), "")

    def after(self, seconds):
        self.now += seconds
        return self.looks.recent()


@pytest.fixture
def played():
    return Played()


def test_the_first_look_tells_no_rate(played):
    played.ask(5, 0.01)
    recent = played.after(0)
    assert recent.seconds == 0
    assert recent.methods == ()
    assert [each.calibrated for each in recent.models] == [0]


def test_rates_are_of_the_time_between(played):
    played.ask(1000, 3.0)
    played.after(0)
    played.ask(90, 0.004)
    played.ask(10, 0.4, status="UNAVAILABLE")
    recent = played.after(10)
    [method] = recent.methods
    assert (method.name, method.per_second, method.failed) == (
        "ScoringService/Score",
        10,
        pytest.approx(0.1),
    )
    assert 0 < method.middle <= 0.005, "what was slow is over"
    assert 0.25 < method.slow <= 0.5
    [model] = recent.models
    assert (model.name, model.calibrated, model.raw, model.tokens) == ("aligned", 10, 20, 100)


def test_after_a_minute_what_was_is_forgotten(played):
    played.after(0)
    played.ask(60, 0.01)
    assert played.after(30).methods[0].per_second == 2
    assert played.after(45).seconds == 45
    assert played.after(45).methods[0].per_second == 0
    assert played.looks.recent().methods[0].middle is None


def test_who_looks_less_than_once_a_minute_is_told_what_was_since(played):
    played.after(0)
    for _ in range(4):
        played.ask(610, 0.01)
        recent = played.after(61)
        assert recent.seconds == 61
        assert recent.methods[0].per_second == 10
        assert recent.models[0].calibrated == 10
    # What was long ago is left out again as soon as there is a later look.
    played.ask(20, 0.01)
    recent = played.after(2)
    assert (recent.seconds, recent.methods[0].per_second) == (2, 10)


def test_a_process_that_began_anew_counts_from_nothing(played):
    played.ask(100, 0.01)
    played.after(0)
    began = Played()
    began.ask(20, 0.01)
    played.registry = began.registry
    assert played.after(10).methods[0].per_second == 2


def test_looks_that_come_at_once_are_one(played):
    played.after(0)
    played.after(10)
    played.ask(100, 0.01)
    assert played.after(0.1).methods == ()
