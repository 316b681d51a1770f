"""``POST /v1/systemone`` as vLLM has it: the same bodies, the same answers and diagnostics."""

import pytest
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

JSON = {"content-type": "application/json"}
STATE = {"message": "Where is my refund?", "asked": 3}
QUESTIONS = {
    "team": {
        "type": "choice",
        "instructions": "Who should answer?",
        "criteria": {"billing": "invoices and refunds", "sales": None},
    },
    "angry": {"type": "noul", "instructions": "Is the writer angry?"},
    "anger": {
        "type": "score",
        "instructions": "How angry is the writer?",
        "criteria": ["calm", "annoyed", "furious"],
    },
}


@pytest.fixture
def ask(http):
    def ask(status=200, **changes):
        body = {"model": "aligned", "state": STATE, "questions": QUESTIONS, **changes}
        response = http.post("/v1/systemone", json=body)
        assert response.status_code == status, response.text
        return response.json()

    return ask


def test_each_type_is_answered_by_its_id(ask):
    said = ask()
    assert said["object"] == "structured_decision"
    assert (said["id"] != "", said["created"] > 0, said["model"]) == (True, True, "aligned")
    assert list(said["answers"]) == ["team", "angry", "anger"]
    team, angry, anger = said["answers"].values()
    assert [each["type"] for each in (team, angry, anger)] == ["choice", "noul", "score"]
    assert team["probabilities"].keys() == {"billing", "sales"}
    assert team["confidence"] == team["probabilities"][team["choice"]]
    assert angry["noul"] == angry["probabilities"]["yes"]
    assert sum(angry["probabilities"].values()) == pytest.approx(1)
    assert anger["legend"] == {"0": "calm", "1": "annoyed", "2": "furious"}
    assert anger["score"] == pytest.approx(
        anger["probabilities"]["1"] + 2 * anger["probabilities"]["2"]
    )
    assert said["usage"]["output_tokens"] == 3
    for name, diagnostics in said["diagnostics"].items():
        assert 0 < diagnostics["label_mass"] == said["answers"][name]["label_mass"] < 1
        assert diagnostics["argmax_is_label"] in (True, False)


def test_a_state_of_json_is_its_json(ask):
    as_text = ask(state='{"message": "Where is my refund?", "asked": 3}')
    assert as_text["answers"] == ask()["answers"]


def test_the_sides_of_a_noul_may_be_described(ask):
    described = {**QUESTIONS["angry"], "criteria": {"true": "there are insults"}}
    found = ask(questions={"angry": described})["answers"]["angry"]
    assert found["noul"] != ask()["answers"]["angry"]["noul"]


def test_instructions_come_before_everything(ask):
    assert ask(instructions="Be strict.")["answers"] != ask()["answers"]


def test_it_is_the_same_reading_as_openais(ask, client):
    """One calibrator serves both."""
    questions = [
        {"type": "predicate", "instructions": "Is the writer angry?"},
        {
            "type": "score",
            "instructions": "How angry is the writer?",
            "levels": [{"label": "calm"}, {"label": "annoyed"}, {"label": "furious"}],
        },
    ]
    angry, anger = client.decisions.create(
        model="aligned", input="It is late.", questions=questions
    ).answers
    said = ask(state="It is late.")["answers"]
    assert said["angry"]["noul"] == angry.probability
    assert said["anger"]["score"] == anger.score


def test_what_changes_nothing_here_is_taken(ask):
    thoughtless = {"enable_thinking": False, "thinking": False}
    found = ask(cache_salt="salt", priority=1, chat_template_kwargs=thoughtless)
    assert found["answers"] == ask()["answers"]
    assert ask(request_id="mine")["id"] == "mine"


TEAM = QUESTIONS["team"]


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"questions": {}}, "questions", "at least 1"),
        ({"questions": {"a": {**TEAM, "weight": 1}}}, "questions.a.weight", "is no field here"),
        ({"questions": {"a": {"type": "guess"}}}, "questions.a", "'choice', 'noul', 'score'"),
        ({"questions": {"a": {**TEAM, "criteria": {}}}}, "questions.a.criteria", "at least 2"),
        (
            {"questions": {"a": {**TEAM, "criteria": None}}},
            "questions.a.criteria",
            "should be an object",
        ),
        (
            {"questions": {"a": {**QUESTIONS["angry"], "criteria": {"maybe": 1}}}},
            "questions.a.criteria.maybe",
            "is no field here",
        ),
        (
            {"questions": {"a": {"type": "score", "criteria": ["x", "x"]}}},
            "questions.a.criteria",
            "the model would read alike",
        ),
        (
            {"questions": {"a": {**TEAM, "criteria": {"a - b": None, "a": "b"}}}},
            "questions.a.criteria",
            "the model would read alike",
        ),
        (
            {"questions": {"a": {**TEAM, "criteria": {"a": None, " ": None}}}},
            "questions.a.criteria",
            "says nothing",
        ),
        (
            {"questions": {"a": {"type": "noul", "criteria": {"true": "x", "false": "x"}}}},
            "questions.a.criteria",
            "the model would read alike",
        ),
        # Named as the kinds are, by which pydantic tells its places.
        (
            {"questions": {"score": {**TEAM, "criteria": {}}}},
            "questions.score.criteria",
            "at least 2",
        ),
        (
            {"questions": {"input_a": {**TEAM, "choice": 1}}},
            "questions.input_a.choice",
            "is no field here",
        ),
        (
            {"questions": {"a" * 100_000: TEAM}},
            f"questions.{'a' * 64}….id",
            "has 100000 characters; at most 200",
        ),
        ({"questions": {"": TEAM}}, "questions", "without an id"),
        ({"instructions": "<|end|>"}, "instructions", "names a control token"),
        ({"state": "<|end|>"}, "state", "names a control token"),
        (
            {"questions": {"a": {**QUESTIONS["angry"], "instructions": "<|end|>"}}},
            "questions.a.instructions",
            "names a control token",
        ),
        (
            {"questions": {"a": {**TEAM, "criteria": {"a": None, "<|end|>": None}}}},
            "questions.a.criteria",
            "names a control token",
        ),
        (
            {"questions": {"a": {"type": "score", "criteria": ["x", "<|end|>"]}}},
            "questions.a.criteria[1]",
            "names a control token",
        ),
        (
            {"questions": {"a": {"type": "noul", "criteria": {"false": "<|end|>"}}}},
            "questions.a.criteria.false",
            "names a control token",
        ),
        ({"images": ["https://example.org/a.png"]}, "images", "are not served"),
        (
            {"chat_template_kwargs": {"enable_thinking": True}},
            "chat_template_kwargs",
            "is not served",
        ),
        ({"state": ""}, "state", "is empty"),
        ({"state": "x" * 400_000}, "state", "the model reads at most"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(ask, changes, param, message):
    error = ask(400, **changes)["error"]
    assert (error["type"], error["code"], error["param"]) == ("BadRequestError", 400, param)
    assert message in error["message"]


def test_errors_are_as_vllm_has_them(http):
    """So are those of a request that is none, or of a model that is not here."""
    asked = {"model": "other", "state": STATE, "questions": QUESTIONS}
    refused = {
        "MODEL_NOT_FOUND": (404, "NotFoundError", http.post("/v1/systemone", json=asked)),
        "NO_JSON": (400, "BadRequestError", http.post("/v1/systemone", content=b"{", headers=JSON)),
        "NO_SUCH_METHOD": (405, "MethodNotAllowedError", http.get("/v1/systemone?a=b")),
    }
    for reason, (status, kind, response) in refused.items():
        error = ErrorResponse.model_validate(response.json()).error
        assert (response.status_code, error.code, error.type) == (status, status, kind)
        assert error.message
        assert response.json()["error"]["reason"] == reason


@pytest.mark.parametrize(
    ("twice", "param"),
    [
        ('"a": {"type": "noul"}, "a": {"type": "noul"}', "questions.a"),
        (
            '"a": {"type": "choice", "criteria": {"x": "1", "y": null, "x": "2"}}',
            "questions.a.criteria.x",
        ),
        # Once, it would be too few.
        ('"a": {"type": "choice", "criteria": {"x": null, "x": null}}', "questions.a.criteria.x"),
    ],
)
def test_a_name_that_is_there_twice_is_refused(http, twice, param):
    """Of two questions, or options, one would be lost without a word."""
    body = f'{{"model": "aligned", "state": "x", "questions": {{{twice}}}}}'
    refused = http.post("/v1/systemone", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert (error["param"], error["message"]) == (param, f"{param}: is here twice")


@pytest.mark.parametrize("state", ["NaN", '{"a": [1, {"b": NaN}]}'])
def test_what_is_no_number_is_told_so(http, state):
    body = f'{{"model": "aligned", "state": {state}, "questions": {{"a": {{"type": "noul"}}}}}}'
    refused = http.post("/v1/systemone", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "state: has NaN, which JSON has not"


@pytest.mark.parametrize("number", ["1e999", "-1e400"])
def test_a_number_that_json_readers_cannot_hold_is_refused(http, number):
    """It would be told to the model as Infinity."""
    questions = '{"a": {"type": "noul"}}'
    body = f'{{"model": "aligned", "state": {{"a": {number}}}, "questions": {questions}}}'
    refused = http.post("/v1/systemone", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "state: has a number that is too large"
    data = f'[{{"role": "user", "content": [{{"type": "input_json", "data": {{"a": {number}}}}}]}}]'
    question = '[{"type": "predicate", "instructions": "Is it urgent?"}]'
    body = f'{{"model": "aligned", "input": {data}, "questions": {question}}}'
    refused = http.post("/v1/decisions", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input[0].content[0].data"
