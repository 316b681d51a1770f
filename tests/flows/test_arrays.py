"""Long work on arrays: whose turn it is."""

import asyncio
import threading

from trueodds_service.caller import Caller, Permission, acting_for
from trueodds_service.flows.arrays import long_work


def started(tenant, call):
    with acting_for(Caller(tenant, "key", frozenset(Permission))):
        return asyncio.create_task(long_work(call))


async def test_long_work_of_a_tenant_holds_up_no_other_also_once_it_has_left():
    goes_on = threading.Event()
    long = [started("many", lambda: goes_on.wait(30)) for _ in range(4)]
    await asyncio.sleep(0.05)
    for each in long[:2]:
        each.cancel()
    try:
        async with asyncio.timeout(10):
            assert await started("few", lambda: "few") == "few"
            assert await long_work(lambda: "alerts", owner="the alert watch") == "alerts"
    finally:
        goes_on.set()
    assert await asyncio.gather(*long[2:]) == [True, True]
