"""The replicas of a model, as a gateway sees them."""

import asyncio
from dataclasses import replace

import pytest
from tests.serving.played import Played, ended, until

from trueodds_service import urgency
from trueodds_service.engine.base import TokenPrompt, TokenScore
from trueodds_service.engine.link.messages import LINK_VERSION
from trueodds_service.errors import Exhausted, Overloaded, Unavailable
from trueodds_service.serving import replicas as replicas_module
from trueodds_service.serving.replicas import Replicas, ServedReplicas

PROMPTS = [TokenPrompt((number,) * 8, ((1,), (2,))) for number in range(64)]
EXPECTED = [-prompt.prompt[0] for prompt in PROMPTS]


class Scorer:
    """Answers a prompt with its first token, once it may go on."""

    def __init__(self):
        self.asked = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.dies = None

    async def __call__(self, prompts, adapter):
        self.asked.append((len(prompts), adapter))
        if self.dies is not None:
            await self.dies()
        await self.go_on.wait()
        return [TokenScore((-prompt.prompt[0], 0.0), greedy=(False, True)) for prompt in prompts]


class Model:
    """Replicas, each with what it was asked, and the gateway's view of them."""

    def __init__(self, folder):
        self._folder = folder
        self.played = []
        self.scorers = []
        self.view = Replicas("model", "here")

    async def add(self, count=1):
        for _ in range(count):
            self.scorers.append(Scorer())
            self.played.append(Played(self._folder, self.scorers[-1]))
            self.restart(-1)
        await self.known()

    def restart(self, place, node="here"):
        self.view.learn([replace(self.played[place].start(), node=node)])

    async def known(self):
        """Waits until those that live, and no others, are members."""
        living = {each.announcement.replica for each in self.played if each.listener}
        await until(lambda: self.view._membership.members.keys() == living)

    async def firsts(self, prompts=PROMPTS):
        return [score.continuations[0] for score in await self.view.score(prompts, None)]

    async def close(self):
        self.view.close()
        for each in self.played:
            await each.kill()


@pytest.fixture
async def model(tmp_path):
    model = Model(tmp_path)
    yield model
    await model.close()


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_scores_are_in_the_order_of_the_prompts(model, count):
    await model.add(count)
    assert (await model.view.connected()).name == "played"
    assert await model.firsts() == EXPECTED
    # One call a replica, never one a prompt.
    assert [len(scorer.asked) for scorer in model.scorers] == [1] * count


async def test_an_adapter_is_asked_by_its_name(model):
    await model.add()
    await ServedReplicas(model.view, "adapter").score(PROMPTS[:1])
    assert model.scorers[0].asked == [(1, "adapter")]


async def test_what_a_replica_has_just_refused_is_refused_before_it_is_asked(model):
    await model.add()
    served = ServedReplicas(model.view)

    async def refuse():
        raise Overloaded(5.0, 1.0)

    model.scorers[0].dies = refuse
    with urgency.hurrying(1.0):
        served.check_room(1)
        with pytest.raises(Exhausted, match=r"5\.0 seconds of work"):
            await served.score(PROMPTS[:1])
        with pytest.raises(Overloaded, match=r"5\.0 seconds of work"):
            served.check_room(1)
        served.check_room(64)
    assert len(model.scorers[0].asked) == 1


async def test_no_prompts_ask_nobody(model):
    assert await model.view.score([], None) == []


async def test_replicas_of_other_models_are_none_of_this(model, tmp_path):
    other = Played(tmp_path, Scorer(), model="other")
    model.view.learn([other.start()])
    await model.add()
    assert model.view._membership.members.keys() == {model.played[0].announcement.replica}
    await other.kill()


async def test_replicas_of_other_weights_are_told_once_and_never_asked(model, tmp_path, caplog):
    model.view = Replicas("model", "here", {"model": "1" * 16, "adapter": "2" * 16})
    for revisions in ({"model": "1" * 16}, {"model": "1" * 16, "adapter": "3" * 16}):
        stranger = Played(tmp_path, Scorer(), revisions=revisions)
        for _ in range(3):
            model.view.learn([stranger.announcement or stranger.start()])
        await stranger.kill()
    same = Played(tmp_path, Scorer(), revisions={"adapter": "2" * 16, "model": "1" * 16})
    model.played.append(same)
    model.restart(-1)
    await model.known()
    assert len([each for each in caplog.messages if "is not asked" in each]) == 2


@pytest.mark.parametrize("other", ["newer", "older"])
async def test_a_replica_of_another_version_is_passed_over_and_told_once(model, caplog, other):
    await model.add()
    scorer = Scorer()
    played = Played(model._folder, scorer)
    announced = played.start()
    announced = replace(announced, link=LINK_VERSION + 1)
    if other == "older":
        object.__delattr__(announced, "link")
    for _ in range(3):
        model.view.learn([announced])
    assert await model.firsts() == EXPECTED
    assert not scorer.asked
    [told] = [each for each in caplog.messages if "another version" in each]
    assert told.startswith("models/model: ")
    await ended(played.listener)


async def test_who_comes_is_asked_and_who_is_forgotten_stays(model):
    await model.add()
    assert await model.firsts() == EXPECTED
    await model.add()
    model.view.learn([])
    assert await model.firsts() == EXPECTED
    assert [len(scorer.asked) for scorer in model.scorers] == [2, 1]


async def test_prompts_of_a_replica_that_dies_are_tried_where_it_came_up_again(model):
    await model.add(2)
    dying, living = model.scorers
    dying.go_on.clear()
    call = asyncio.create_task(model.firsts())
    await until(lambda: dying.asked and living.asked)
    await model.played[0].kill()
    await model.known()
    others = [prompt.after((*prompt.prompt, 9)) for prompt in PROMPTS]
    assert await model.firsts(others) == EXPECTED, "meanwhile the other one gets everything"
    assert [len(scorer.asked) for scorer in model.scorers] == [1, 2]
    dying.go_on.set()
    model.restart(0)
    assert await call == EXPECTED
    assert len(living.asked) == 2, "it was not put to the test"
    assert len(dying.asked) > 1


async def lost_with_its_prompts(model):
    """The call of which one of two replicas dies with its share, once that is known."""
    dying, living = model.scorers
    dying.go_on.clear()
    call = asyncio.create_task(model.firsts())
    await until(lambda: dying.asked and living.asked)
    await model.played[0].kill()
    await until(lambda: model.view.suspected_nodes)
    return call


async def test_where_none_comes_up_again_no_living_one_is_put_to_the_test(model, monkeypatch):
    monkeypatch.setattr(replicas_module, "_REPLACEMENT_SECONDS", 0.05)
    await model.add(2)
    call = await lost_with_its_prompts(model)
    with pytest.raises(Unavailable) as caught:
        await call
    assert caught.value.reason == "ENGINE_LOST"
    assert [len(scorer.asked) for scorer in model.scorers] == [1, 1]
    assert not model.view.suspected_nodes
    assert await model.firsts() == EXPECTED, "they are not kept from it for ever"


async def test_what_was_lost_with_a_whole_node_is_asked_elsewhere(model):
    await model.add(2)
    call = await lost_with_its_prompts(model)
    again = asyncio.create_task(model.firsts())
    model.view.acquit({"another node"})
    await until(lambda: len(model.scorers[1].asked) == 2)
    assert not call.done()
    model.view.acquit(model.view.suspected_nodes)
    assert await call == EXPECTED
    assert await again == EXPECTED, "who asks them again meanwhile waits, and is answered, too"
    assert not model.view.suspected_nodes


@pytest.fixture
def gone(monkeypatch):
    """Nodes that are."""
    nodes = set()
    monkeypatch.setattr(replicas_module.nodes, "is_gone", nodes.__contains__)
    return nodes


def dying(model, times, node):
    """Has the first replica die so often, and come again on that node; returns its deaths."""
    deaths = []

    async def die():
        deaths.append(dead := model.played[0].listener)
        if len(deaths) <= times:
            model.restart(0, node=node)
            await ended(dead)

    model.scorers[0].dies = die
    return deaths


async def test_who_is_tried_when_a_node_is_lost_is_tried_again(model, gone):
    gone.add("lost")
    await model.add()
    asked = dying(model, 2, "lost")  # by itself, and with the node of the trial
    assert await model.firsts(PROMPTS[:1]) == EXPECTED[:1]
    assert len(asked) == 3


@pytest.mark.parametrize(("node", "deaths"), [("lives", 2), ("lost", 3)])
async def test_an_engine_that_dies_again_dies_of_the_prompt(model, gone, node, deaths):
    gone.add("lost")
    await model.add()
    asked = dying(model, 9, node)
    [outcome] = await model.view.score(PROMPTS[:1], None)
    assert outcome.reason == "ENGINE_KILLED"
    assert len(asked) == deaths


async def test_after_a_lost_node_whoever_has_come_since_the_first_death_may_try(
    model, gone, monkeypatch
):
    both_there, ground = asyncio.Event(), model.view._proving_ground

    async def ground_for_two():
        await both_there.wait()
        return await ground()

    monkeypatch.setattr(model.view, "_proving_ground", ground_for_two)
    gone.add("lost")
    await model.add()
    model.scorers[0].dies = model.played[0].kill
    call = asyncio.create_task(model.firsts(PROMPTS[:1]))
    await until(lambda: model.view.suspected_nodes)
    await model.add()
    model.restart(0, node="lost")
    await model.known()
    both_there.set()
    assert await call == EXPECTED[:1]
    assert [len(scorer.asked) for scorer in model.scorers] == [2, 1]


async def test_a_replica_that_closes_ends_its_calls_and_gets_no_others(model):
    await model.add(2)
    closing = model.scorers[0]
    closing.go_on.clear()
    call = asyncio.create_task(model.firsts())
    await until(lambda: closing.asked)
    listener, model.played[0].listener = model.played[0].listener, None
    ending = asyncio.create_task(listener.close(30))
    await model.known()
    assert await model.firsts() == EXPECTED
    assert len(closing.asked) == 1
    closing.go_on.set()
    assert await call == EXPECTED
    await ending
    assert len(model.scorers[0].asked) == 1


async def test_a_model_is_lost_when_all_its_replicas_are(model):
    await model.add(2)
    lost = asyncio.create_task(model.view.wait_lost())
    for place, played in enumerate(model.played):
        await played.kill()
        await model.known()
        model.restart(place)
        await model.known()
    assert not lost.done(), "one after another is not all at once"
    for played in model.played:
        await played.kill()
    await lost
    call = asyncio.create_task(model.firsts())
    model.restart(0)
    assert await call == EXPECTED


async def test_prompts_that_all_kill_are_all_told_so(model):
    await model.add()

    async def die():
        dead = model.played[0].listener
        model.restart(0)
        await ended(dead)

    model.scorers[0].dies = die
    outcomes = await model.view.score(PROMPTS[:4], None)
    assert [outcome.reason for outcome in outcomes] == ["ENGINE_KILLED"] * 4


async def test_a_model_whose_engine_does_not_come_back_is_unavailable(model, monkeypatch):
    monkeypatch.setattr(replicas_module, "_PATIENCE_SECONDS", 0.05)
    await model.add()
    await model.played[0].kill()
    await model.known()
    with pytest.raises(Unavailable) as caught:
        await model.firsts()
    assert caught.value.reason == "ENGINE_LOST"
    monkeypatch.undo()
    model.restart(0)
    assert await model.firsts() == EXPECTED


async def test_who_leaves_takes_the_prompts_along(model):
    await model.add(2)
    for scorer in model.scorers:
        scorer.go_on.clear()
    call = asyncio.create_task(model.firsts())
    await until(lambda: all(scorer.asked for scorer in model.scorers))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not model.view._router._loads
    await until(lambda: not any(played.listener.prompts for played in model.played))
    for scorer in model.scorers:
        scorer.go_on.set()
    assert await model.firsts() == EXPECTED


async def test_while_another_gateway_has_a_replica_to_itself_its_prompts_go_elsewhere(
    model, tmp_path
):
    await model.add(2)
    other = Replicas("model", "here")
    other.learn([each.announcement for each in model.played])
    await until(lambda: len(other._membership.members) == 2)
    model.scorers[1].go_on.clear()
    tried = asyncio.create_task(other._try_alone(PROMPTS[:1], None))
    await until(lambda: model.scorers[1].asked)
    assert await model.firsts() == EXPECTED
    assert [len(scorer.asked) for scorer in model.scorers] == [2, 1], "the newest is not free"
    model.scorers[0].go_on.clear()
    alone = asyncio.create_task(model.view._try_alone(PROMPTS[1:2], None))
    model.scorers[1].go_on.set()
    assert [(await each)[0].continuations[0] for each in (tried, alone)] == [0, -1]
    assert len(model.scorers[0].asked) == 2
    other.close()


async def test_calls_wait_for_the_only_replica_until_it_is_free(model):
    await model.add()
    model.scorers[0].go_on.clear()
    alone = asyncio.create_task(model.view._try_alone(PROMPTS[:1], None))
    await until(lambda: model.scorers[0].asked)
    call = asyncio.create_task(model.firsts())
    model.scorers[0].go_on.set()
    assert len(await alone) == 1
    assert await call == EXPECTED
