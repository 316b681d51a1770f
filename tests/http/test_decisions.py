"""``POST /v1/decisions`` as the ``openai`` package sends and reads it."""

import msgspec
import openai
import pytest

from trueodds.v1 import question_pb2
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.http.decisions import openai_body

SPAM = {"type": "predicate", "name": "spam", "instructions": "The message is spam."}
TEAM = {
    "type": "choice",
    "name": "team",
    "instructions": "Who should answer?",
    "choices": [
        {"value": "billing", "description": "invoices and refunds"},
        {"value": "sales"},
        {"value": True},
    ],
}
ANGER = {
    "type": "score",
    "instructions": "How angry is the writer?",
    "levels": [{"label": "calm"}, {"label": "annoyed"}, {"label": "furious"}],
}
TEXT = "Where is my refund? I have asked three times."


def decide(client, *questions, input=TEXT, model="aligned", **more):  # noqa: A002
    return client.decisions.create(model=model, input=input, questions=questions, **more)


def test_each_type_is_answered_in_order_with_its_name(client):
    decision = decide(client, SPAM, TEAM, ANGER)
    spam, team, anger = decision.answers
    assert [each.type for each in decision.answers] == ["predicate", "choice", "score"]
    assert [each.name for each in decision.answers] == ["spam", "team", None]
    assert 0 < spam.probability < 1
    assert [each.value for each in team.probabilities] == ["billing", "sales", True]
    assert sum(each.probability for each in team.probabilities) == pytest.approx(1)
    best = max(team.probabilities, key=lambda each: each.probability)
    assert (team.choice, team.confidence) == (best.value, best.probability)
    assert [(each.label, each.value) for each in anger.probabilities] == [
        ("calm", 0),
        ("annoyed", 1),
        ("furious", 2),
    ]
    assert anger.score == pytest.approx(
        sum(each.value * each.probability for each in anger.probabilities)
    )
    assert decision.model == "aligned"
    assert decision.usage.total_tokens == decision.usage.input_tokens > 0


def test_the_model_reads_a_string_in_quotes_where_a_boolean_looks_like_it():
    def told(*values):
        choices = [{"value": value} for value in values]
        asked = {"type": "choice", "instructions": "Which?", "choices": choices}
        body = openai_body.Request(model="aligned", input=TEXT, questions=[asked])
        [question] = body.decision_questions(lambda name, field: "")
        return question.options

    assert told("true", True, "other") == ('"true"', "true", '"other"')
    assert told("yes", True) == ("yes", "true")


async def test_the_asynchronous_client_is_told_the_same(client, service):
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none") as other:
        found = await other.decisions.create(model="aligned", input=TEXT, questions=[SPAM])
    assert found.answers == decide(client, SPAM).answers


def test_many_questions_of_one_state_are_as_each_alone(client):
    questions = [{**SPAM, "instructions": f"It is about number {n}."} for n in range(400)]
    answers = decide(client, *questions).answers
    assert len(answers) == 400
    assert decide(client, questions[237]).answers[0].probability == answers[237].probability


@pytest.mark.parametrize("count", [2, 26, 27, 128, 129, 255])
def test_up_to_255_choices(client, count):
    choices = [{"value": f"choice {n}"} for n in range(count)]
    [answer] = decide(client, {**TEAM, "choices": choices}).answers
    assert [each.value for each in answer.probabilities] == [each["value"] for each in choices]
    assert sum(each.probability for each in answer.probabilities) == pytest.approx(1)
    assert len(set(answer.labels)) == count


def test_a_string_and_a_boolean_of_one_text_are_two_choices(client):
    choices = [{"value": "true"}, {"value": True}]
    [answer] = decide(client, {**TEAM, "choices": choices}).answers
    assert [each.value for each in answer.probabilities] == ["true", True]
    assert len({each.probability for each in answer.probabilities}) == 2


def test_it_says_more_in_fields_of_its_own(client):
    [answer] = decide(client, TEAM).answers
    assert answer.calibrated is False
    assert answer.calibrator is None
    assert answer.raw_because
    assert answer.raw_probabilities == [each.probability for each in answer.probabilities]
    assert 0 < answer.label_mass == answer.format_probability < 1
    assert answer.labels == ["A", "B", "C"]
    assert answer.abstained is False


def test_messages_are_read(client):
    text = decide(client, SPAM).answers
    message = {"type": "message", "role": "user", "content": TEXT}
    assert decide(client, SPAM, input=[message]).answers == text
    parts = [{"type": "input_text", "text": TEXT}]
    assert decide(client, SPAM, input=[{**message, "content": parts}]).answers == text
    developer = {"type": "message", "role": "developer", "content": "Be strict."}
    assert decide(client, SPAM, input=[developer, message]).answers != text


def test_a_conversation_with_tools_is_read(client):
    call = {"type": "function_call", "call_id": "c1", "name": "orders", "arguments": '{"id": 1}'}
    conversation = [
        {"type": "message", "role": "user", "content": TEXT},
        call,
        {"type": "function_call_output", "call_id": "c1", "output": "shipped"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "note", "input": "late"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "done"}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "It is shipped."},
                {"type": "refusal", "refusal": "No more than that."},
            ],
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_json", "data": {"thanks": None}}],
        },
    ]
    whole = decide(client, SPAM, input=conversation).answers
    changed = [*conversation[:2], {**conversation[2], "output": "lost"}, *conversation[3:]]
    assert decide(client, SPAM, input=changed).answers != whole


def test_what_only_helps_a_cache_changes_nothing(client):
    found = decide(
        client,
        SPAM,
        prompt_cache_key="k",
        prompt_cache_options={"mode": "implicit", "ttl": "30m"},
        safety_identifier="user-1",
    )
    assert found.answers == decide(client, SPAM).answers


def test_labels_that_hold_exactly_enough_are_answered(client):
    [answer] = decide(client, SPAM).answers
    enough = {"min_option_mass": answer.label_mass}
    assert decide(client, SPAM, extra_body=enough).answers[0].type == "predicate"
    more = {"min_option_mass": answer.label_mass * (1 + 1e-9)}
    assert decide(client, SPAM, extra_body=more).answers[0].type == "refusal"


IMAGE = {"type": "input_image", "image_url": "https://example.org/a.png"}


def test_a_part_of_json_is_measured_in_bytes(client):
    part = {"type": "input_json", "data": {"said": "é" * 131_100}}
    message = {"type": "message", "role": "user", "content": [part]}
    with pytest.raises(openai.BadRequestError, match="256 KiB") as caught:
        decide(client, SPAM, input=[message])
    assert caught.value.param == "input[0].content[0].data"


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"questions": []}, "questions", "at least 1 item"),
        ({"questions": [SPAM] * 401}, "questions", "at most 400 items"),
        ({"questions": [{**TEAM, "choices": [{"value": "a"}]}]}, "questions[0].choices", "least 2"),
        (
            {"questions": [{**TEAM, "choices": [{"value": str(n)} for n in range(256)]}]},
            "questions[0].choices",
            "at most 255",
        ),
        (
            {"questions": [SPAM, {**TEAM, "choices": [{"value": "a"}, {"value": "a"}]}]},
            "questions[1]",
            "has a choice twice",
        ),
        (
            {"questions": [{**TEAM, "choices": [{"value": "a"}, {"value": "a "}]}]},
            "questions[0].choices",
            "the model would read alike",
        ),
        (
            {"questions": [{**TEAM, "choices": [{"value": "a"}, {"value": ""}]}]},
            "questions[0].choices",
            "says nothing",
        ),
        ({"questions": [{**ANGER, "levels": []}]}, "questions[0].levels", "at least 2"),
        (
            {"questions": [{**ANGER, "levels": [{"label": "a"}, {"label": "a"}]}]},
            "questions[0].levels",
            "the model would read alike",
        ),
        (
            {"questions": [{"type": "guess", "instructions": "x"}]},
            "questions[0]",
            "has to have one of the types 'predicate', 'choice', 'score'",
        ),
        ({"questions": [{**SPAM, "levels": []}]}, "questions[0].levels", "is no field here"),
        ({"questions": [{"type": "predicate"}]}, "questions[0].instructions", "is required"),
        ({"questions": [{**SPAM, "instructions": " "}]}, "questions[0].instructions", "is empty"),
        ({"questions": [{**SPAM, "name": "a\nb"}]}, "questions[0].name", "has to be printable"),
        (
            {"questions": [{**SPAM, "instructions": [IMAGE]}]},
            "questions[0].instructions[0]",
            "is an image, which is not served",
        ),
        ({"input": " "}, "input", "is empty"),
        ({"input": []}, "input", "is empty"),
        (
            {"input": [{"role": role, "content": " "} for role in ("user", "assistant")]},
            "input",
            "is empty",
        ),
        (
            {"input": [{"role": "user", "content": [IMAGE]}]},
            "input[0].content[0]",
            "is an image, which is not served",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]},
            "input[0].call_id",
            "is of no call before it",
        ),
        ({"input": [{"type": "computer_call"}]}, "input[0]", "has to have one of the types"),
        ({"input": "x" * 100_000}, "input", "the model reads at most"),
        ({"input": "a <|end|> b"}, "input", "names a control token of the model"),
        (
            {"questions": [{**SPAM, "instructions": "<|end|>"}]},
            "questions[0].instructions",
            "names",
        ),
        (
            {"questions": [{**TEAM, "choices": [{"value": "a"}, {"value": "<|end|>"}]}]},
            "questions[0].choices[1]",
            "names",
        ),
        (
            {"questions": [SPAM, {**ANGER, "levels": [{"label": "<|end|>"}, {"label": "b"}]}]},
            "questions[1].levels[0]",
            "names",
        ),
        (
            {"input": [{"role": "system", "content": "<|end|>"}, {"role": "user", "content": "x"}]},
            "input",
            "names",
        ),
        ({"temperature": 1}, "temperature", "is no field here"),
        # As pydantic calls the members of unions.
        ({"message": 1}, "message", "is no field here"),
        ({"questions": [{**SPAM, "input_text": 1}]}, "questions[0].input_text", "is no field here"),
        ({"x" * 100_000: 1}, f"{'x' * 64}…", "is no field here"),
        ({"label_seed": 10**400}, "label_seed", "less than"),
        ({"min_option_mass": 2}, "min_option_mass", "less than or equal to 1"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(client, changes, param, message):
    body = {"model": "aligned", "input": TEXT, "questions": [SPAM], **changes}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/decisions", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code
    assert message in str(caught.value)


def test_a_model_whose_template_refuses_a_question_is_what_can_be_changed():
    body = openai_body.Request(model="aligned", input=TEXT, questions=[SPAM])
    assert body.field_of(0, "model") == "model"


def test_a_model_that_is_not_there_is_the_packages_own_error(client):
    with pytest.raises(openai.NotFoundError, match="there is no models/other") as caught:
        decide(client, SPAM, model="other")
    assert caught.value.code == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("model", ["Org/Model-7B", "models/", "a prompt by mistake " * 1000])
def test_what_can_be_no_models_name_is_not_repeated(client, model):
    with pytest.raises(openai.NotFoundError, match="there is no model of this name") as caught:
        decide(client, SPAM, model=model)
    assert caught.value.code == "MODEL_NOT_FOUND"
    assert "mistake" not in str(caught.value)


def test_a_question_whose_labels_hold_next_to_nothing_is_refused_by_itself(client):
    both = decide(client, SPAM, TEAM).answers
    lower, higher = sorted(each.label_mass for each in both)
    between = {"min_option_mass": (lower + higher) / 2}
    answers = decide(client, SPAM, TEAM, extra_body=between).answers
    refused = [each.type == "refusal" for each in answers]
    assert refused == [each.label_mass == lower for each in both]
    assert [each.name for each in answers] == ["spam", "team"]


def test_a_refusal_says_what_was_found_and_what_to_do(client):
    [answer] = decide(client, SPAM).answers
    [refused] = decide(client, SPAM, extra_body={"min_option_mass": 1}).answers
    assert refused.reason == "LOW_OPTION_MASS"
    assert (refused.label_mass, refused.min_option_mass) == (answer.label_mass, 1)
    assert f"{answer.label_mass:.3g} of the probability" in refused.message
    assert "say a lower min_option_mass" in refused.message


def test_the_service_refuses_below_one_percent_unless_told(start_service):
    service = start_service(http="127.0.0.1:0")
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none") as client:
        [answer] = decide(client, SPAM).answers
    assert (answer.type, answer.reason) == ("refusal", "LOW_OPTION_MASS")
    assert answer.min_option_mass == 0.01


def test_a_model_may_refuse_at_a_mass_of_its_own(start_service, weights):
    """The request's goes before the model's, and the model's before the service's."""
    own = {"weights": weights, "engine": {"backend": "fake"}}
    models = [
        {"name": "strict", "decisions": {"min_option_mass": 1}, **own},
        {"name": "lenient", "decisions": {"min_option_mass": 0}, **own},
        {"name": "usual", **own},
    ]
    service = start_service(http="127.0.0.1:0", models=models, decisions={"min_option_mass": 0.5})
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none") as client:

        def asked(model, **more):
            [answer] = decide(client, SPAM, model=model, extra_body=more).answers
            return answer.type, getattr(answer, "min_option_mass", None)

        assert asked("strict") == ("refusal", 1)
        assert asked("lenient") == ("predicate", None)
        assert asked("usual") == ("refusal", 0.5)
        for model in ("strict", "lenient", "usual"):
            assert asked(model, min_option_mass=0) == ("predicate", None)
            assert asked(model, min_option_mass=0.75) == ("refusal", 0.75)


class Remembering(FakeEngine):
    """Has a token of each prompt in its cache."""

    async def score(self, prompts, adapter=None):
        outcomes = await super().score(prompts, adapter)
        return [msgspec.structs.replace(each, cached_tokens=1) for each in outcomes]


@pytest.mark.parametrize("order", ["as_asked", "cyclic"])
def test_usage_is_what_the_engine_was_given_to_read(start_service, order):
    engine = Remembering()
    service = start_service(
        http="127.0.0.1:0", engines={"aligned": engine}, decisions={"min_option_mass": 0}
    )
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none") as client:
        usage = decide(client, SPAM, TEAM, ANGER, extra_body={"order": order}).usage
    # The other types have one order.
    assert engine.usage.prompts == {"as_asked": 3, "cyclic": 1 + 3 + 1}[order]
    assert usage.input_tokens == usage.total_tokens == engine.usage.prompt_tokens
    assert usage.input_tokens_details.cached_tokens == engine.usage.prompts


def test_averaged_over_the_orders_no_label_is_liked_better(client):
    [asked] = decide(client, TEAM).answers
    [averaged] = decide(client, TEAM, extra_body={"order": "cyclic"}).answers
    turned = {**TEAM, "choices": [*TEAM["choices"][1:], TEAM["choices"][0]]}
    [again] = decide(client, turned, extra_body={"order": "cyclic"}).answers
    found = {str(each.value): each.probability for each in averaged.probabilities}
    assert found == pytest.approx(
        {str(each.value): each.probability for each in again.probabilities}
    )
    assert averaged.raw_probabilities != asked.raw_probabilities


def test_labels_are_redrawn_by_a_seed(client):
    drawn = [decide(client, TEAM, SPAM, extra_body={"label_seed": n}).answers for n in range(8)]
    assert {frozenset(team.labels) for team, _ in drawn} == {frozenset("ABC")}
    assert len({tuple(team.labels) for team, _ in drawn}) > 1
    assert len({tuple(spam.labels) for _, spam in drawn}) == 1
    assert decide(client, TEAM, SPAM, extra_body={"label_seed": 7}).answers == drawn[7]


def test_unless_asked_for_a_calibrator_no_answer_needs_one(client):
    with pytest.raises(openai.BadRequestError) as caught:
        decide(client, SPAM, extra_body={"require_calibrated": True})
    assert caught.value.code == "NOT_CALIBRATED"


def test_it_is_what_grpc_says_of_the_same_prompt(client, service):
    """The rendered conversation, sent as a prompt of one's own."""
    said = (
        f"{TEXT}\n\nQuestion: Who should answer?\n"
        "A: billing - invoices and refunds\nB: sales\nC: true\n"
        "Answer with the label of one option only."
    )
    message = question_pb2.ChatMessage(role="user", content=said)
    question = question_pb2.Question(
        prompt=question_pb2.Prompt(chat=question_pb2.Chat(messages=[message])),
        options=[question_pb2.Option(label=label, text=label) for label in "ABC"],
    )
    answer = service.score(question, format="FORMAT_LETTER")
    [found] = decide(client, TEAM).answers
    assert found.raw_probabilities == pytest.approx([each.probability for each in answer.options])
