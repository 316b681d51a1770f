"""What callers were told is held against what the store has."""

from contextlib import closing
from types import SimpleNamespace

import pytest
from verification.chaos.load import TASK, Load, check_written
from verification.chaos.record import Result
from verification.chaos.service import MODEL

from trueodds_service.store import Calibrator, Scope, SqlCalibratorStore, upgrade


@pytest.fixture
def fits(tmp_path):
    """The URL of a store with three fits that were activated, and their ids."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    upgrade(url)
    scope = Scope(MODEL, "3f2a", TASK, "paren", 1, 4)
    made = [
        Calibrator(scope=scope, method="constant", parameters={"temperature": (1.0 + number,)})
        for number in range(3)
    ]
    with closing(SqlCalibratorStore(url)) as store:
        return url, [store.put(each, activate=True).id for each in made]


def checked(url, ids):
    load = Load(SimpleNamespace(address="", store=url), Result("drill", tries=1), 1.0, 1.0)
    load.written += [f"models/{MODEL}/calibrators/{each}" for each in ids]
    check_written(load)
    return load.result


@pytest.mark.parametrize("told", [3, 2], ids=["all", "the last was not told of"])
def test_what_is_there_once_and_in_order_passes(fits, told):
    url, ids = fits
    assert checked(url, ids[:told]).passed


def test_a_fit_that_is_gone_is_lost(fits):
    url, ids = fits
    assert checked(url, [*ids, "0123456789abcdef"]).lost == 1


def test_a_fit_that_is_activated_again_is_a_duplicate(fits):
    url, ids = fits
    with closing(SqlCalibratorStore(url)) as store:
        store.activate(MODEL, ids[0])
    assert checked(url, ids).duplicated == 1


def test_another_order_is_wrong(fits):
    url, (first, second, third) = fits
    assert checked(url, [second, first, third]).wrong == 1


def test_more_than_was_asked_for_is_wrong(fits):
    url, ids = fits
    assert checked(url, ids[:1]).wrong == 1
