"""A call that an engine fails at as a whole, with several prompts in it, on several paths."""

import asyncio
import itertools

import pytest
from tests.serving.played import Played

from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.serving.killers import Killers
from trueodds_service.serving.replicas import Replicas
from trueodds_service.serving.suspects import Suspects

MARK = 17


async def raises(engine, prompts):
    if any(MARK in prompt.prompt for prompt in prompts):
        raise ValueError
    return await engine.score(prompts)


async def leaves_out(engine, prompts):
    return await engine.score([prompt for prompt in prompts if MARK not in prompt.prompt])


async def says_more(engine, prompts):
    marked = [prompt for prompt in prompts if MARK in prompt.prompt]
    return await engine.score([*prompts, *marked])


@pytest.fixture
async def serve(tmp_path):
    """The gateway's view of an engine that answers calls so; it dies at the first ``deaths``."""
    made = []

    async def serve(answer, deaths=0):
        engine, left = FakeEngine(seed=7), itertools.repeat(None, deaths)

        async def score(prompts, adapter):
            if next(left, engine) is None:
                await replica.kill()
                view.learn([replica.start()])
                await asyncio.Event().wait()
            return await answer(engine, prompts)

        replica, view = Played(tmp_path, score, info=engine.info), Replicas("model", "here")
        view.learn([replica.start()])
        made.append((view, replica))
        await view.connected()
        return view

    yield serve
    for view, replica in made:
        view.close()
        await replica.kill()


def prompts(marked):
    return [
        TokenPrompt((number + 100, MARK if number in marked else 1), ((1,), (2,)))
        for number in range(10)
    ]


@pytest.mark.parametrize("deaths", [0, 1], ids=["at once", "as suspects"])
@pytest.mark.parametrize("marked", [set(), {0}, {9}, {3, 4}, set(range(10))], ids=str)
@pytest.mark.parametrize("answer", [raises, leaves_out, says_more])
async def test_only_the_prompts_that_it_fails_at_have_a_fault(serve, answer, marked, deaths):
    whole = await serve(answer, deaths)
    asked = prompts(marked)
    outcomes = await whole.score(asked, None)
    right = await FakeEngine(seed=7).score(asked)
    for place, (outcome, expected) in enumerate(zip(outcomes, right, strict=True)):
        if place in marked:
            assert outcome.reason == "ENGINE_FAULT"
        else:
            assert outcome.continuations == expected.continuations


async def test_no_suspect_waits_for_a_trial_that_has_failed():
    async def fails(asked, adapter):
        if asked:
            raise ValueError
        return []

    suspects = Suspects(fails, Killers())
    for _ in range(2):
        taken = suspects.take(prompts({}), None, "here")
        outcomes = [await suspect.wait() for suspect in taken]
        assert [outcome.reason for outcome in outcomes] == ["ENGINE_FAULT"] * 10
