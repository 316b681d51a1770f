"""How many requests are under way at once, and whose."""

from contextlib import ExitStack

import pytest

from trueodds_service.edge.admission.places import Places
from trueodds_service.errors import Exhausted


def filled(places, stack, tenant):
    """How many a tenant gets."""
    count = 0
    while True:
        try:
            stack.enter_context(places.taken(tenant))
        except Exhausted:
            return count
        count += 1


@pytest.mark.parametrize("most", [1, 2, 10, 256])
def test_without_tenants_all_are_for_everybody(most):
    with ExitStack() as stack:
        places = Places(most)
        assert filled(places, stack, "") == most
        with pytest.raises(Exhausted) as caught:
            stack.enter_context(places.taken(""))
    assert caught.value.reason == "TOO_MANY_REQUESTS"
    assert caught.value.retry_seconds > 0


def test_a_tenant_that_takes_all_it_can_leaves_room_for_another():
    places = Places(256)
    with ExitStack() as stack:
        first = filled(places, stack, "many")
        assert 200 < first < 256
        assert filled(places, stack, "few") >= 20


def test_what_has_ended_is_free_again():
    places = Places(4)
    with ExitStack() as stack:
        once = filled(places, stack, "a")
    with ExitStack() as stack:
        assert filled(places, stack, "a") == once
