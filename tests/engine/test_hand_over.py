"""What an engine has at once, counted on an engine that is stepped by hand."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from types import SimpleNamespace

import pytest

from trueodds_service import caller, urgency
from trueodds_service.caller import Caller
from trueodds_service.engine.hand_over import HandOver, Rank
from trueodds_service.errors import Exhausted, Expired, Overloaded

STEP = 0.1


@pytest.fixture
def bench(monkeypatch):
    bench = Bench()
    monkeypatch.setattr(urgency, "time", SimpleNamespace(monotonic=lambda: bench.now))
    return bench


def who(tenant):
    """The caller of a tenant; of ``own/other`` one who acts for ``other``."""
    own, slash, other = tenant.partition("/")
    return Caller(other, "", frozenset(), own) if slash else Caller(tenant, "", frozenset())


class Bench:
    """An engine that works through all it has in a step of ``tokens / RATE`` seconds and more."""

    RATE = 1000
    STEP_SECONDS = 0.0

    def __init__(self, most=50):
        self.now = 100.0
        self.hand_over = HandOver(most, STEP, clock=lambda: self.now)
        self.inside = {}
        self.ranks = {}
        self.cached = 0
        self.done = []
        self.steps = []

    async def _request(self, name, tokens, in_bulk, tenant, seconds):
        with ExitStack() as stack:
            stack.enter_context(caller.acting_for(who(tenant)))
            stack.enter_context(urgency.hurrying(seconds, in_bulk=in_bulk))
            self.hand_over.check(in_bulk=in_bulk)
            call = stack.enter_context(self.hand_over.call(in_bulk=in_bulk))
            async with self.hand_over.turn(call, tokens) as request:
                request.cached = self.cached
                self.inside[name] = tokens, asyncio.get_running_loop().create_future()
                self.ranks[name] = request.rank
                await self.inside[name][1]
        self.done.append(name)

    async def ask(self, *names, tokens=10, in_bulk=False, tenant="", seconds=None):
        tasks = [
            asyncio.create_task(self._request(name, tokens, in_bulk, tenant, seconds))
            for name in names
        ]
        await settle()
        return tasks

    async def step(self):
        """Everything that is in the engine is done."""
        inside, self.inside = self.inside, {}
        self.steps.append(sum(tokens for tokens, _ in inside.values()))
        self.now += self.STEP_SECONDS + max(self.steps[-1], 1) / self.RATE
        for _, future in inside.values():
            future.set_result(None)
        await settle()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def named(prefix, count):
    return [f"{prefix}{number}" for number in range(count)]


async def test_bulk_alone_has_as_many_in_the_engine_as_that_takes(bench):
    await bench.ask(*named("bulk", 200), in_bulk=True)
    for _ in range(4):
        assert len(bench.inside) == 50
        await bench.step()
    assert len(bench.done) == 200


async def test_a_lone_question_waits_for_no_more_than_the_step_that_is_on(bench):
    await bench.ask(*named("bulk", 200), in_bulk=True)
    await bench.step()
    await bench.ask("lone")
    assert "lone" in bench.inside


async def test_while_lone_questions_come_steps_are_short_and_then_long_again(bench):
    await bench.ask(*named("bulk", 2000), in_bulk=True)
    await bench.step()
    assert bench.steps[-1] == 500, "five times as long as a lone question is to wait"
    for number in range(10):
        await bench.ask(f"lone{number}")
        await bench.step()
    assert max(bench.steps[3:]) <= STEP * Bench.RATE + 10
    assert min(bench.steps[3:]) >= STEP * Bench.RATE / 2, "bulk goes on"
    bench.now += 10
    await bench.step()
    await bench.step()
    assert bench.steps[-1] == 500


async def test_bulk_goes_on_however_many_lone_questions_come(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("lone", 500))
    await bench.ask(*named("bulk", 3), in_bulk=True)
    while "bulk2" not in bench.done:
        assert any(name.startswith("bulk") for name in bench.inside)
        await bench.step()
    assert bench.hand_over  # lone questions were still there
    assert sum(name.startswith("lone") for name in bench.done) < 500


async def test_a_tenant_at_ten_times_the_rate_does_not_go_before_another(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("many", 500), tenant="many")
    for number in range(100):
        await bench.ask(f"few{number}", tenant="few")
        for _ in range(3):
            await bench.step()
    served = Counter(name.rstrip("0123456789") for name in bench.done)
    assert served["few"] == 100
    assert served["many"] >= 200


async def test_who_acts_for_many_tenants_has_one_share(bench):
    await bench.ask("warm")
    await bench.step()
    for name in named("many", 300):
        await bench.ask(name, tenant=f"own/{name}")
    await bench.ask(*named("one", 300), tenant="one")
    while len(bench.done) < 300:
        await bench.step()
    served = Counter(name.rstrip("0123456789") for name in bench.done)
    assert served["one"] >= 100


async def beset(bench):
    """It learns how long a question takes by itself, and has far too much to do."""
    await bench.ask("warm", tokens=30)
    await bench.step()
    await bench.ask(*named("many", 1000), tenant="many")
    await bench.ask(*named("bulk", 1000), tenant="bulk", in_bulk=True)


async def light_questions(bench, count):
    """One after another, in a busy engine; how long each took."""
    took = []
    for _ in range(count):
        name, began = f"light at {bench.now}", bench.now
        await bench.ask(name, tenant="light", tokens=30)
        while name not in bench.done:
            await bench.step()
        took.append(bench.now - began)
        await bench.step()
    return took


async def test_all_light_questions_but_the_first_take_at_most_twice_as_long_as_alone(bench):
    await beset(bench)
    took = await light_questions(bench, 60)
    assert took[0] > 10 * 0.03, "long steps were on"
    assert max(took[1:]) <= 2 * 0.03 + 1e-9
    bench.now += 10
    await bench.step()
    await bench.step()
    assert bench.steps[-1] > 3 * STEP * Bench.RATE, "and long ones are again"


async def test_beside_light_questions_a_step_has_as_many_tokens_of_others_as_of_theirs(bench):
    await beset(bench)
    await light_questions(bench, 2)
    for _ in range(5):
        await bench.step()
        assert bench.steps[-1] == 30


async def test_a_light_question_goes_before_what_the_engine_has(bench):
    await beset(bench)
    await bench.ask("light", tenant="light")
    assert {"light", "many0", "bulk0"} <= bench.inside.keys()
    assert bench.ranks["light"] < bench.ranks["many0"] < bench.ranks["bulk0"]


async def test_until_a_light_call_has_ended_nothing_of_others_enters(bench):
    await beset(bench)
    others = len(bench.done) + len(bench.inside)
    acting = caller.acting_for(Caller("light", "", frozenset()))
    with acting, bench.hand_over.call(in_bulk=False) as call:
        for _ in range(3):
            async with bench.hand_over.turn(call, 10):
                await bench.step()
        assert len(bench.done) + len(bench.inside) == others
    await settle()
    assert bench.inside, "then they go on"


async def test_a_call_of_several_prompts_is_light_as_a_whole(bench):
    await beset(bench)
    acting = caller.acting_for(Caller("light", "", frozenset()))
    with acting, bench.hand_over.call(in_bulk=False) as call:
        turns = [bench.hand_over.turn(call, 10) for _ in range(8)]
        async with AsyncExitStack() as stack:
            for turn in turns:
                request = await asyncio.wait_for(stack.enter_async_context(turn), 1)
                assert request.rank is Rank.LIGHT


async def test_many_light_tenants_leave_something_to_the_others(bench):
    await beset(bench)
    for number in range(200):
        # Before one has its answer, the next one asks.
        await bench.ask(f"light{number}", tenant=f"light{number % 7}")
        await bench.ask(f"other light{number}", tenant=f"other{number % 7}")
        if number % 2:
            await bench.step()
    served = Counter(name.rstrip("0123456789") for name in bench.done)
    assert served["light"] > 150
    assert served["many"] > 20


async def test_where_there_is_room_for_one_lone_questions_and_bulk_take_turns(bench):
    await beset(bench)
    for number in range(40):
        await bench.ask(f"light{number}", tenant="light", tokens=10)
        await bench.step()
        await bench.step()
    late = Counter(name.rstrip("0123456789") for name in bench.done[-60:])
    assert abs(late["many"] - late["bulk"]) <= 2


@pytest.mark.parametrize(("cached", "least", "most"), [(0, 900, 900), (9, 2000, 9000)])
async def test_what_is_cached_is_no_part_of_a_full_step(bench, cached, least, most):
    bench.hand_over = HandOver(1000, STEP, full_tokens=300, clock=lambda: bench.now)
    bench.cached = cached
    await bench.ask(*named("bulk", 1500), in_bulk=True)
    for _ in range(4):
        await bench.step()
    assert least <= sum(tokens for tokens, _ in bench.inside.values()) <= most


async def test_the_first_of_many_at_once_is_not_light(bench):
    await beset(bench)
    for _ in range(3):
        await bench.ask(*named(f"burst{bench.now}-", 20), tenant="bursts")
        for _ in range(10):
            await bench.step()
    assert max(bench.steps[-10:]) > 2 * STEP * Bench.RATE


@pytest.mark.parametrize(("part", "told"), [(0.1, 1.0), (2.0, 2.0)])
async def test_who_gives_up_tells_only_that_it_takes_longer(bench, part, told):
    await bench.ask("answered", tokens=5000)
    await bench.step()
    known = bench.hand_over._lone.stay
    for number in range(20):
        [task] = await bench.ask(f"gone{number}", tokens=500)
        bench.now += part * known
        task.cancel()
        await settle()
        bench.inside.clear()
    assert bench.hand_over._lone.stay == pytest.approx(told * known, rel=1e-3)


async def test_bulk_that_is_there_already_does_not_keep_a_lone_question_waiting_for_long(bench):
    bench.hand_over = HandOver(1000, STEP, full_tokens=400, clock=lambda: bench.now)
    await bench.ask(*named("bulk", 2000), in_bulk=True)
    for _ in range(5):
        assert sum(tokens for tokens, _ in bench.inside.values()) <= 3 * 400
        await bench.step()
    assert bench.steps[-1] == 3 * 400, "and long steps are what bulk needs"


async def test_what_comes_too_late_is_never_in_the_engine(bench):
    tasks = await bench.ask("late", seconds=0)
    with pytest.raises(Expired):
        await tasks[0]
    assert not bench.inside


async def test_what_expires_while_it_waits_is_never_in_the_engine(bench):
    bench.hand_over = HandOver(1, STEP, clock=lambda: bench.now)
    await bench.ask("first")
    [late] = await bench.ask("late", tokens=5, seconds=0.005)
    await bench.ask("next")
    await bench.step()
    with pytest.raises(Expired):
        await late
    assert [*bench.inside] == ["next"], "and its place is another's"


async def test_who_would_wait_longer_than_he_can_is_told_at_once_and_when_to_come_back(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("lone", 1000))
    for _ in range(6):
        await bench.step()
    assert bench.hand_over
    [task] = await bench.ask("impatient", seconds=1.0)
    with pytest.raises(Exhausted) as caught:
        await task
    assert caught.value.reason == "OVERLOADED"
    enough = 1.0 + caught.value.retry_seconds
    [early, in_time] = [
        (await bench.ask(f"{seconds}", seconds=seconds))[0]
        for seconds in (enough - 0.05, enough + 0.05)
    ]
    assert isinstance(early.exception(), Exhausted), "it is not told to wait longer than it has to"
    assert not in_time.done()
    [patient] = await bench.ask("patient", seconds=1000.0)
    while not patient.done():
        await bench.step()
    assert "patient" in bench.done


async def test_who_acts_for_another_tenant_waits_behind_what_is_the_own(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("many", 1000), tenant="own")
    for _ in range(6):
        await bench.step()
    [task] = await bench.ask("impatient", tenant="own/other", seconds=1.0)
    assert isinstance(task.done() and task.exception(), Overloaded)
    [task] = await bench.ask("in time", tenant="other", seconds=1.0)
    assert not task.done()


async def test_an_idle_engine_refuses_nobody(bench):
    await bench.ask(*named("lone", 1000))
    while bench.inside:
        await bench.step()
    [task] = await bench.ask("quick", seconds=0.001)
    await bench.step()
    await task


async def test_who_leaves_the_queue_keeps_nobody_waiting(bench):
    bench.hand_over = HandOver(1, STEP, clock=lambda: bench.now)
    first, second = await bench.ask("first", "second")
    [third] = await bench.ask("third")
    second.cancel()
    await bench.step()
    assert [*bench.inside] == ["third"]
    third.cancel()
    await settle()
    bench.inside.clear()
    await bench.ask("fourth")
    assert [*bench.inside] == ["fourth"]
    assert first.done()


async def test_who_leaves_the_queue_makes_way_for_one_that_fits(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask("one", "two", tokens=75)
    [large] = await bench.ask("large", tokens=100)
    await bench.ask("small")
    assert [*bench.inside] == ["one", "two"], "of 200 tokens 150 are taken, and nobody goes before"
    large.cancel()
    await settle()
    assert [*bench.inside] == ["one", "two", "small"]


async def test_of_lone_questions_there_is_always_a_next_one_in_the_engine(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask("long", "longer", "longest", tokens=1000)
    assert [*bench.inside] == ["long", "longer"]


async def test_steps_are_longer_where_so_many_wait_that_it_makes_no_difference(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("lone", 400))
    while bench.inside:
        left = 10 * (401 - len(bench.done)) / Bench.RATE
        await bench.step()
        assert bench.steps[-1] / Bench.RATE <= max(2 * STEP, left / 4) + 0.011
    assert max(bench.steps) <= 10 * STEP * Bench.RATE
    assert len(bench.steps) < 16, "of two tenths of a second each they would be twenty"


async def test_with_none_of_its_kind_in_the_engine_it_is_seen_anew_how_long_that_takes(bench):
    bench.hand_over = HandOver(1, STEP, clock=lambda: bench.now)
    await bench.ask("slow", tokens=5000)
    await bench.step()
    # Five seconds is how long it took; half a second is left, and nobody knows better.
    [next_one] = await bench.ask("next", seconds=0.5)
    [refused] = await bench.ask("beside it", seconds=0.5)
    assert isinstance(refused.exception(), Overloaded)
    assert [*bench.inside] == ["next"]
    await bench.step()
    await next_one


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_after_a_stall_a_call_of_several_prompts_is_let_in_whole(bench, in_bulk):
    await bench.ask("slow", tokens=5000)
    await bench.step()
    # Five seconds is how long it took. What is asked beside each of the four is the call's own.
    with urgency.hurrying(0.5), bench.hand_over.call(in_bulk=in_bulk) as call:
        async with AsyncExitStack() as stack:
            for _ in range(4):
                await asyncio.wait_for(stack.enter_async_context(bench.hand_over.turn(call, 10)), 1)


async def test_for_bulk_the_lone_questions_that_wait_are_ahead_as_well(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask(*named("lone", 1000))
    for _ in range(6):
        await bench.step()
    [bulk] = await bench.ask("bulk", in_bulk=True, seconds=1.0)
    assert isinstance(bulk.exception(), Exhausted)


async def test_bulk_makes_room_as_long_as_a_lone_question_is_in_the_engine(bench):
    await bench.ask("warm")
    await bench.step()
    await bench.ask("long")
    bench.now += 60
    await bench.ask(*named("bulk", 50), in_bulk=True)
    assert sum(tokens for tokens, _ in bench.inside.values()) <= STEP * Bench.RATE


async def test_that_little_was_asked_says_nothing_of_what_the_engine_could_do(bench):
    await bench.ask(*named("lone", 1000))
    while bench.inside:
        await bench.step()
    for number in range(20):
        await bench.ask(f"now and then {number}", tokens=1)
        await bench.step()
        bench.now += 5
    await bench.ask(*named("many", 100))
    [task] = await bench.ask("one more", seconds=5.0)
    assert not task.done(), "a thousand tokens are a second of work"
