"""The drill that kills who records outcomes notices what it is there for."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from verification.chaos.outcomes import Told, again, batch, check, expected
from verification.chaos.record import Result

from trueodds_service.store import Recorded, SqlOutcomeStore, upgrade

BATCHES = 4


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/store.sqlite"
    upgrade(url)
    return url


@pytest.fixture
def told(url):
    """What a writer of two threads was told."""
    with closing(SqlOutcomeStore(url)) as store:
        seal = store.seal().hex()
        return [
            Told(thread, number, store.record(batch("w", thread, number)), seal)
            for number in range(BATCHES)
            for thread in (0, 1)
        ]


def checked(url, told):
    result = Result("drill", tries=1)
    check(url, "w", told, result)
    return result


def behind(url, statement):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        assert connection.execute(statement).rowcount > 0


def test_a_store_that_has_everything_passes(url, told):
    assert checked(url, told).passed


def test_batches_have_new_outcomes_corrections_and_words_said_again(told):
    assert all(min(each.recorded) > 0 for each in told if each.number >= 1)
    first, last = batch("w", 0, 0), expected("w", 0, BATCHES).outcomes
    newest = {each.answered_at: each.option for each in last}
    corrected = [each for each in first if newest[each.answered_at] != each.option]
    assert len(corrected) > 4, "in its own batch, the next one and the one after"


def test_a_batch_that_nobody_was_told_of_may_be_there_or_not(url, told):
    assert checked(url, told[:-2]).passed
    assert checked(url, told[:-1]).passed


def test_who_was_not_told_tells_again_and_it_is_there_once(url, told):
    unheard = told[:-2]
    more = again(url, "w", unheard)
    assert [each.recorded for each in more] == [
        Recorded(0, 0, sum(each.recorded)) for each in told[-2:]
    ]
    assert checked(url, unheard + more).passed
    assert checked(url, told + again(url, "w", told)).passed


WITHOUT_THE_LAST = "DELETE FROM outcomes WHERE position = (SELECT max(position) FROM outcomes)"


@pytest.mark.parametrize(
    ("statement", "lost", "wrong"),
    [
        (WITHOUT_THE_LAST, 1, 0),
        ("DELETE FROM outcomes WHERE position > 20", 1, 0),
        ("UPDATE outcomes SET option = (option + 1) % 4 WHERE position = 1", 1, 0),
        ("UPDATE outcomes SET calibrated = zeroblob(16) WHERE position = 1", 1, 0),
        ("UPDATE corrections SET number = number + 1", 0, 1),
        ("DELETE FROM corrections", 0, 1),
        ("UPDATE outcomes SET position = position + 1000 WHERE position = 1", 0, 1),
    ],
)
def test_what_is_gone_or_not_the_newest_is_counted(url, told, statement, lost, wrong):
    behind(url, statement)
    result = checked(url, told)
    assert (result.lost > 0, result.wrong > 0) == (lost > 0, wrong > 0), result.notes


def test_half_of_a_batch_that_nobody_was_told_of_is_counted(url, told):
    behind(url, WITHOUT_THE_LAST)
    assert checked(url, [each for each in told if each.number < BATCHES - 1]).wrong == 1


def test_another_answer_than_the_right_one_is_counted(url, told):
    told[0] = replace(told[0], recorded=Recorded(1, 2, 3))
    assert checked(url, told).wrong == 1


def test_a_key_that_is_gone_is_counted(url, told):
    behind(url, "UPDATE seals SET key = zeroblob(32)")
    assert checked(url, told).lost == 1
