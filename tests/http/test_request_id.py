"""A request's id over HTTP, in every kind of response."""

import pytest

ASKED = {
    "settings": {"model": "models/aligned"},
    "question": {"text": "Which?", "options": [{"text": "a"}, {"text": "b"}]},
}
MANY = {"settings": ASKED["settings"], "questions": [ASKED["question"]]}
DECISION = {"model": "aligned", "input": "x", "questions": []}
SCORING = "/trueodds.v1.ScoringService"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{SCORING}/Score", ASKED, 200),
        (f"{SCORING}/Score", {}, 400),
        (f"{SCORING}/StreamScore", MANY, 200),
        (f"{SCORING}/StreamScore", {"secret": 1}, 400),
        ("/v1/decisions", DECISION, 400),
    ],
)
def test_it_is_the_caller_s_or_one_of_ours(http, path, body, status):
    response = http.post(path, json=body, headers={"x-request-id": "a-request.1"})
    assert response.status_code == status
    assert response.headers.get_list("x-request-id") == ["a-request.1"]
    ours = {http.post(path, json=body).headers["x-request-id"] for _ in range(2)}
    assert {len(each) for each in ours} == {32}
    assert len(ours) == 2
