"""A prompt that kills the engine: found, told so, and nobody else's loss."""

import asyncio
import math

import grpc
import pytest
from tests.serving.played import Played, ended, until

from trueodds.v1 import question_pb2, scoring_pb2
from trueodds_service.caller import Caller, acting_for, current
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import PromptFault
from trueodds_service.serving.replicas import Replicas, ServedReplicas

SHARPNESS = 3.0
MARK = 17


class Mortal:
    """A replica whose engine dies once it has seen the mark, and is replaced."""

    def __init__(self, folder, views):
        self._views = views
        self._engine = FakeEngine(seed=7, sharpness=SHARPNESS)
        self.played = Played(folder, self._score, info=self._engine.info)
        self.deaths = 0
        self.seen, self.tenants = [], []
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def start(self):
        announcement = self.played.start()
        for view in self._views:
            view.learn([announcement])

    async def die(self):
        self.deaths += 1
        dead = self.played.listener
        self.start()
        await ended(dead)

    async def _score(self, prompts, adapter):
        listener = self.played.listener
        self.seen.append([prompt.prompt for prompt in prompts])
        self.tenants.append(current().tenant)
        self.arrived.set()
        await self.go_on.wait()
        # What else is under way is in the engine by now.
        await asyncio.sleep(0)
        if any(MARK in prompt.prompt for prompt in prompts):
            if self.played.listener is listener:  # else it has died meanwhile
                await self.die()
            await asyncio.Event().wait()
        return await self._engine.score(prompts, adapter)


class Model:
    """Replicas of a model, and what each of some gateways sees of them."""

    def __init__(self, folder, replicas, gateways):
        self.views = [Replicas("model", "here") for _ in range(gateways)]
        self.replicas = [Mortal(folder, self.views) for _ in range(replicas)]

    async def start(self):
        for replica in self.replicas:
            replica.start()
        for view in self.views:
            await until(lambda view=view: len(view._membership.members) == len(self.replicas))
        return self

    async def close(self):
        for view in self.views:
            view.close()
        for replica in self.replicas:
            await replica.played.kill()


@pytest.fixture
async def start(tmp_path):
    """So many replicas, and the gateways' views of them."""
    made = []

    async def start(replicas=1, gateways=1):
        made.append(await Model(tmp_path, replicas, gateways).start())
        return made[-1].replicas, made[-1].views

    yield start
    for model in made:
        await model.close()


def prompts(*marked, count=100):
    return [
        TokenPrompt((number + 100, MARK if number in marked else 1), ((1,), (2,)))
        for number in range(count)
    ]


async def assert_only_the_marked_fail(view, asked, marked):
    outcomes = await view.score(asked, None)
    right = await FakeEngine(seed=7, sharpness=SHARPNESS).score(asked)
    for place, (outcome, expected) in enumerate(zip(outcomes, right, strict=True)):
        if place in marked:
            assert outcome.reason == "ENGINE_KILLED"
        else:
            assert outcome.continuations == expected.continuations


@pytest.mark.parametrize("marked", [{0}, {99}, {41}, {3, 77}, {50, 51, 52}, set(range(100))])
async def test_the_prompts_that_kill_have_a_fault_and_all_others_their_scores(start, marked):
    [replica], [view] = await start()
    await assert_only_the_marked_fail(view, prompts(*marked), marked)
    # One death shows that there is one, and each halving costs one at most.
    assert replica.deaths <= 1 + len(marked) * math.ceil(math.log2(100) + 1)


async def test_what_was_in_the_engine_is_only_tried_again_apart_from_what_was_not(start):
    [replica], [view] = await start()
    replica.go_on.clear()
    first = replica.played.announcement.replica
    suspect = asyncio.create_task(view.score(prompts(4, count=8), None))
    await replica.arrived.wait()
    replica.go_on.set()
    await until(lambda: first not in view._membership.members)
    fresh = [TokenPrompt((number, 2), ((1,), (2,))) for number in range(500, 520)]
    await asyncio.gather(suspect, view.score(fresh, None))
    for group in replica.seen:
        assert len({prompt[1] == 2 for prompt in group}) == 1


async def test_suspects_are_tried_for_the_tenants_who_asked(start):
    """As everything: they share no cached prompts."""
    [replica], [view] = await start()
    replica.go_on.clear()

    async def asked(tenant, prompt):
        with acting_for(Caller(tenant, tenant, frozenset())):
            return await view.score([prompt], None)

    innocent, killer = prompts(1, count=2)
    calls = [asyncio.create_task(asked("acme", innocent)), asyncio.create_task(asked("b", killer))]
    await until(lambda: len(replica.seen) == len(calls))
    replica.go_on.set()
    await asyncio.gather(*calls)
    whose = {
        tuple(seen): tenant for seen, tenant in zip(replica.seen, replica.tenants, strict=True)
    }
    assert whose[(innocent.prompt,)] == "acme"
    assert whose[(killer.prompt,)] == "b"
    assert (innocent.prompt, killer.prompt) not in whose


async def test_a_prompt_that_killed_is_refused_at_once(start):
    [replica], [view] = await start()
    asked = prompts(0, count=2)
    await view.score(asked, None)
    deaths = replica.deaths
    assert (await view.score(asked, None))[0].reason == "ENGINE_KILLED"
    assert replica.deaths == deaths


async def test_who_asks_a_suspect_again_waits_for_its_trial(start):
    """Its first caller may have left by then: it is not asked beside anything."""
    [replica], [view] = await start()
    replica.go_on.clear()
    first = replica.played.announcement.replica
    killer = prompts(0, count=1)
    left = asyncio.create_task(view.score(killer, None))
    await replica.arrived.wait()
    replica.go_on.set()
    await until(lambda: first not in view._membership.members)
    await until(lambda: view._suspects.held(killer[0], None))
    again = asyncio.create_task(view.score([*killer, *prompts(count=3)], None))
    left.cancel()
    outcomes = await again
    assert outcomes[0].reason == "ENGINE_KILLED"
    assert replica.deaths == 2
    assert view._suspects.held(killer[0], None) is None


async def test_a_process_that_dies_of_something_else_convicts_nobody(start):
    [replica], [view] = await start()
    replica.go_on.clear()
    asked = prompts(count=30)
    calls = [asyncio.create_task(view.score([each], None)) for each in asked]
    await until(lambda: len(replica.seen) == len(asked))
    await replica.die()
    replica.go_on.set()
    right = await FakeEngine(seed=7, sharpness=SHARPNESS).score(asked)
    for call, expected in zip(calls, right, strict=True):
        [outcome] = await call
        assert outcome.continuations == expected.continuations
    assert replica.deaths == 1


async def test_other_replicas_go_on_while_one_finds_its_killer(start):
    replicas, [view] = await start(2)
    await assert_only_the_marked_fail(view, prompts(41), {41})
    assert sorted(replica.deaths > 0 for replica in replicas) == [False, True]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_what_one_gateway_tries_costs_no_prompt_of_another(start, replicas):
    """Both have a killer among their prompts, and send others all the time."""
    _, views = await start(replicas, gateways=2)
    asked = [prompts(3, count=20), [TokenPrompt((n, 5), ((1,),)) for n in range(300, 320)]]
    asked[1].append(TokenPrompt((400, MARK), ((1,),)))
    others = [
        view.score([TokenPrompt((number, 6), ((1,),))], None)
        for number in range(600, 640)
        for view in views
    ]
    killers = [assert_only_the_marked_fail(views[0], asked[0], {3})]
    killers.append(assert_only_the_marked_fail(views[1], asked[1], {20}))
    found = (await asyncio.gather(*killers, *others))[2:]
    assert not any(isinstance(outcome, PromptFault) for [outcome] in found)


def test_one_of_501_questions_kills_the_engine(start_service, run, tmp_path):
    """Over gRPC, each in a call of its own: 500 right answers and one error."""
    model = run(made(tmp_path))
    [replica], [view] = model.replicas, model.views
    service = start_service(engines={"aligned": ServedReplicas(view)})
    plain = start_service(store=tmp_path / "other.sqlite")
    requests = []
    for number in range(501):
        question = question_pb2.Question(options=[{"token_ids": [n]} for n in (5, 6)])
        question.prompt.token_ids.ids.extend((number % 200 + 40, number // 200, 2))
        requests.append(
            scoring_pb2.ScoreRequest(
                settings=scoring_pb2.ScoreSettings(model="models/aligned"), question=question
            )
        )
    requests[333].question.prompt.token_ids.ids.append(MARK)

    async def under_way():
        replica.go_on.clear()

    async def let_go():
        await until(lambda: sum(map(len, replica.seen)) == 200)
        replica.go_on.set()

    run(under_way())
    calls = [service.scoring.Score.future(request) for request in requests[:100]]
    calls += [service.scoring.Score.future(request) for request in requests[300:400]]
    run(let_go())
    calls += [service.scoring.Score.future(request) for request in requests[100:300]]
    [killer] = [each for each in calls if each.exception() is not None]
    assert killer is calls[133]
    assert killer.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "ENGINE_KILLED" in str(killer.trailing_metadata())
    order = [*range(100), *range(300, 400), *range(100, 300)]
    for call, place in zip(calls, order, strict=True):
        if call is not killer:
            expected = plain.scoring.Score(requests[place]).answer
            assert [each.logprob for each in call.result().answer.options] == [
                each.logprob for each in expected.options
            ]
    run(model.close())


async def made(folder):
    model = await Model(folder, 1, 1).start()
    await model.views[0].connected()
    return model
