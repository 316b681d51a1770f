"""A damaged record that is active has its scope refused: the pages say so, and of no raw answer."""

import html
import re
import sqlite3
from contextlib import closing

import httpx
import pytest
from tests.told import active

from trueodds import Client, FailedPrecondition, Question


def text_of(url):
    text = httpx.get(url, timeout=30).raise_for_status().text.replace("<bdi>", "")
    text = text.replace("</bdi>", "")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


@pytest.fixture
def pages(start_service, tmp_path):
    """The text of a page of a service that began once its active calibrator was damaged, and the
    ids of that one and of a whole one of the same scope.
    """
    first = start_service()
    whole, broken = (
        active(first, "law", temperature=t).name.rpartition("/")[2] for t in (2.0, 3.0)
    )
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as behind, behind:
        behind.execute("UPDATE calibrators SET metrics = '{' WHERE id = ?", [broken])
    service = start_service(http="127.0.0.1:0")
    with Client(service.app.address) as client, pytest.raises(FailedPrecondition) as caught:
        client.score(Question("Which?", ("a", "b")), model="aligned", task="law")
    assert caught.value.reason == "CALIBRATOR_DAMAGED"
    return lambda path: text_of(f"{service.url}/console/{path}"), whole, broken


def test_no_page_promises_raw_answers(pages):
    page, whole, broken = pages
    models = page("")
    assert "active calibrator of law, 2 options, read as paren , is damaged" in models
    assert "such questions are refused" in models
    # Of the teacher alone, which has none.
    assert models.count("No calibrator is active") == 1
    listed = page("calibrators?model=aligned")
    assert f"{broken} is active for law, 2 options" in listed
    assert f"trueodds calibrators rollback models/aligned/calibrators/{broken}" in listed
    activation = page(f"calibrators/aligned/{whole}/activate")
    assert "The active calibrator of this scope is damaged" in activation
    assert f"Now nothing answers in this scope: {broken} is active there and damaged" in activation
    assert "nothing is active in this scope" not in activation


def test_what_is_damaged_and_all_there_is_does_not_answer_raw(pages, start_service, tmp_path):
    page, whole, _ = pages
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as behind, behind:
        behind.execute("UPDATE calibrators SET metrics = '{' WHERE id = ?", [whole])
    listed = page("calibrators?model=aligned")
    assert "2 records of this model cannot be read" in listed
    assert "answers with raw probabilities" not in listed
