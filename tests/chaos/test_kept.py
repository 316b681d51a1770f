"""The drills notice what they are there for."""

import sqlite3
from contextlib import closing

import pytest
from verification.chaos.kept import check
from verification.chaos.record import Result
from verification.chaos.writing import MODEL, Told, calibrator, request

from trueodds_service.store import SqlCalibratorStore, upgrade


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    upgrade(url)
    return url


@pytest.fixture
def told(url):
    """What a writer was told: a calibrator put and activated, and one fitted."""
    first, second = (calibrator("w", 0, number) for number in (0, 1))
    with closing(SqlCalibratorStore(url)) as store:
        store.put(first)
        activation = store.activate(MODEL, first.id)
        store.put(second, activate=True, request=request("w", 0, 1))
    return [
        Told("put", 0, 0, first.id, 0),
        Told("activate", 0, 0, first.id, activation.sequence),
        Told("fit", 0, 1, second.id, 0),
    ]


def checked(url, told):
    result = Result("drill", tries=1)
    check(url, "w", told, result)
    return result


def behind(url, statement):
    # A connection of its own, which holds no references.
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


def test_a_store_that_has_everything_passes(url, told):
    assert checked(url, told).passed


@pytest.mark.parametrize(
    ("statement", "lost", "wrong"),
    [
        ("DELETE FROM activations WHERE sequence = 1", 1, 1),
        ("DELETE FROM fit_requests", 1, 0),
        ("UPDATE calibrators SET deleted = 1", 3, 1),
        ("UPDATE clock SET version = 1", 0, 1),
    ],
)
def test_what_is_gone_is_counted(url, told, statement, lost, wrong):
    behind(url, statement)
    result = checked(url, told)
    assert (result.lost > 0, result.wrong > 0) == (lost > 0, wrong > 0), result.notes
    assert not result.passed


def test_half_of_a_fit_that_nobody_was_told_of_is_counted(url, told):
    behind(url, "DELETE FROM fit_requests")
    assert checked(url, told[:2]).wrong == 1
