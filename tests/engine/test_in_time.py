"""Of what an engine lets in, hardly anything comes too late, however much more is asked; in virtual
time, on the simulated engines of ``test_light_questions``.
"""

import asyncio
import random
from collections import Counter
from types import SimpleNamespace

import pytest
from tests.engine.test_light_questions import ENGINES, Scene
from tests.virtual_time import VirtualTime

from trueodds_service import urgency
from trueodds_service.errors import Exhausted, Expired

SECONDS = 12.0
# Until it is known how fast the engine is.
WARM_UP_SECONDS = 4.0


@pytest.mark.parametrize("times", [2, 10])
@pytest.mark.parametrize("deadline", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_what_is_let_in_is_answered_in_its_time(engine, deadline, times, monkeypatch):
    ended = Counter()

    async def played():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(urgency, "time", SimpleNamespace(monotonic=loop.time))
        scene, rng = Scene(engine), random.Random(1)

        async def one(is_counted):
            try:
                async with asyncio.timeout(deadline):
                    await scene.ask("busy", seconds=deadline)
                how = "answered"
            except Exhausted:
                how = "refused"
            except (Expired, TimeoutError):
                how = "late"
            ended[how] += is_counted

        calls = []
        while loop.time() < SECONDS:
            calls.append(asyncio.create_task(one(loop.time() > WARM_UP_SECONDS)))
            await asyncio.sleep(rng.expovariate(times * scene.capacity))
        await asyncio.gather(*calls)
        scene.end()
        return scene.capacity * (SECONDS - WARM_UP_SECONDS)

    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        could = runner.run(played())
    assert ended["late"] <= 0.03 * ended["answered"]
    # Of half a second a full step of two cores takes more than half.
    assert ended["answered"] >= (0.6 if deadline < 1 else 0.9) * could
