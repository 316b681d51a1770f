"""A long body takes time to read and its answer to write; nobody else waits for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from trueodds_service.http.decisions import bodies, fitting, openai_body, systemone
from trueodds_service.rpc import as_json

SCORE = "/trueodds.v1.ScoringService/Score"
LONG = "x" * 2**17
ASKED = {
    "settings": {"model": "models/aligned"},
    "question": {"text": LONG, "options": [{"text": "a"}, {"text": "b"}]},
}
DECISION = {
    "model": "aligned",
    "input": LONG,
    "questions": [{"type": "predicate", "instructions": "Is it?"}],
}


@pytest.mark.parametrize(
    ("path", "body", "module", "reads"),
    [
        (SCORE, ASKED, as_json, "_of_json"),
        ("/v1/decisions", DECISION, bodies, "_parsed"),
    ],
)
def test_others_are_answered_while_one_is_read(http, monkeypatch, path, body, module, reads):
    has_begun, may_go_on = threading.Event(), threading.Event()
    read = getattr(module, reads)

    def slow(*given):
        has_begun.set()
        assert may_go_on.wait(60), "the loop stood still"
        return read(*given)

    monkeypatch.setattr(module, reads, slow)
    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(http.post, path, json=body)
        assert has_begun.wait(60)
        assert http.get("/healthz").status_code == 200
        may_go_on.set()
        assert call.result().status_code == 400, "the prompt is too long"


def test_the_name_that_is_there_twice_is_found_among_many(http):
    names = [f'"k{number}": 1' for number in range(100_000)]
    state = "{" + ", ".join([*names, names[-1]]) + "}"
    asked = '{"q": {"type": "noul", "instructions": "Is it?"}}'
    body = f'{{"model": "aligned", "state": {state}, "questions": {asked}}}'
    headers = {"content-type": "application/json"}
    refused = http.post("/v1/systemone", content=body, headers=headers)
    assert refused.json()["error"]["message"] == "state.k99999: is here twice"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (openai_body.Request, '{"model": "aligned", "input": [%s], "questions": []}'),
        (fitting.Request, '{"model": "aligned", "decisions": [%s]}'),
        (systemone.Request, '{"model": "a", "state": "x", "questions": {}, "images": [%s]}'),
    ],
)
def test_of_many_faults_the_first_are_looked_for(model, body):
    """All of them took seconds, in which nobody was answered, and gigabytes."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(body % ",".join(["1"] * 1000))
    assert caught.value.error_count() < 10
