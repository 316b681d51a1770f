"""What replicas have just refused is refused without them."""

import random
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from trueodds_service import caller, urgency
from trueodds_service.caller import Caller
from trueodds_service.errors import Overloaded
from trueodds_service.serving.recent_overloads import RecentOverloads


@pytest.fixture
def clock(monkeypatch):
    """A time that stands still until it is moved, for deadlines, too."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(urgency, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def refusals(clock):
    return RecentOverloads(lambda: clock.now)


@pytest.fixture
def acting():
    with ExitStack() as stack:

        def acting(seconds, tenant="a", own=None):
            stack.enter_context(caller.acting_for(Caller(tenant, "", frozenset(), own)))
            stack.enter_context(urgency.hurrying(seconds))

        yield acting


def test_who_comes_next_with_no_more_time_is_told_so_at_once(clock, refusals, acting):
    acting(1.0)
    refusals.note(1, 3.0, in_bulk=False)
    clock.now += 0.05
    acting(1.0)
    with pytest.raises(Overloaded, match=r"3\.0 seconds of work .* deadline is in 1\.0") as caught:
        refusals.check([1], in_bulk=False)
    assert caught.value.reason == "OVERLOADED"
    assert caught.value.retry_seconds == pytest.approx(1.95)


def test_who_has_time_and_who_has_no_deadline_is_not(refusals, acting):
    acting(1.0)
    refusals.note(1, 3.0, in_bulk=False)
    for seconds in (3.1, None):
        acting(seconds)
        refusals.check([1], in_bulk=False)


@pytest.mark.parametrize(("work", "seconds"), [(3.0, 0.75), (60.0, 1.0)])
def test_a_word_holds_for_a_quarter_of_the_wait_and_a_second_at_most(
    clock, refusals, acting, work, seconds
):
    acting(1.0)
    refusals.note(1, work, in_bulk=False)
    clock.now += seconds - 0.01
    acting(1.0)
    with pytest.raises(Overloaded):
        refusals.check([1], in_bulk=False)
    clock.now += 0.02
    refusals.check([1], in_bulk=False)
    clock.now += 1.0
    acting(1.0)
    refusals.note(2, work, in_bulk=False)
    assert len(refusals._said) == 1, "and is forgotten"


def test_few_of_a_flood_get_past_several_replicas(clock, refusals, acting):
    """Each that does is refused by one of four, by what it begins with."""
    rng, passed = random.Random(4), 0
    for _ in range(3000):
        clock.now += 1 / 300
        acting(5.0)
        try:
            refusals.check(range(4), in_bulk=False)
        except Overloaded:
            continue
        passed += 1
        refusals.note(rng.randrange(4), 8.0, in_bulk=False)
    assert passed < 0.05 * 3000


def test_a_replica_that_has_said_nothing_may_have_room(refusals, acting):
    acting(1.0)
    refusals.check([], in_bulk=False)
    refusals.note(1, 3.0, in_bulk=False)
    refusals.check([1, 2], in_bulk=False)
    refusals.note(2, 2.0, in_bulk=False)
    with pytest.raises(Overloaded, match=r"2\.0 seconds"):
        refusals.check([1, 2], in_bulk=False)


def test_who_acts_for_other_tenants_has_one_turn(refusals, acting):
    acting(1.0, tenant="b", own="a")
    refusals.note(1, 3.0, in_bulk=False)
    acting(1.0, tenant="c", own="a")
    with pytest.raises(Overloaded):
        refusals.check([1], in_bulk=False)
    acting(1.0, tenant="b")
    refusals.check([1], in_bulk=False)


def test_another_tenant_and_another_kind_of_work_have_their_own_turns(refusals, acting):
    acting(1.0)
    refusals.note(1, 3.0, in_bulk=True)
    refusals.check([1], in_bulk=False)
    acting(1.0, tenant="b")
    refusals.check([1], in_bulk=True)
