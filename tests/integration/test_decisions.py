"""Decisions on the real engine, over HTTP, and the same prompts over gRPC."""

import asyncio

import grpc
import httpx
import numpy as np
import openai
import pytest

from trueodds import Client
from trueodds.v1 import question_pb2, reading_pb2, scoring_pb2, scoring_pb2_grpc
from trueodds_demo.service import ALIGNED

TOLERANCE = 1e-4
STATE = "The plot was clumsy, and the music was lively."
QUESTIONS = [
    {"type": "predicate", "name": "kind", "instructions": "Is this review positive?"},
    {
        "type": "choice",
        "instructions": "What is this review?",
        "choices": [{"value": "positive"}, {"value": "negative"}],
    },
    {
        "type": "score",
        "instructions": "How good was it?",
        "levels": [{"label": label} for label in ("bad", "fair", "good")],
    },
]


def decide(url: str, *questions: object, **more: object) -> list[object]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        return client.decisions.create(
            model=ALIGNED,
            input=STATE,
            questions=questions,
            extra_body={"min_option_mass": 0, **more},
        ).answers


async def decide_at_once(url: str, questions: list[dict[str, object]]) -> list[object]:
    """A request for each question, all under way together; their answers in order."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        requests = (
            client.decisions.create(
                model=ALIGNED,
                input=STATE,
                questions=[question],
                extra_body={"min_option_mass": 0},
            )
            for question in questions
        )
        return [answer for each in await asyncio.gather(*requests) for answer in each.answers]


def logprobs(server: str, prompt: str, labels: list[str]) -> list[float]:
    """Of each label after the prompt, as many as gRPC takes at once."""
    reading = reading_pb2.Reading(format=reading_pb2.FORMAT_LETTER)
    found = []
    with grpc.insecure_channel(server) as channel:
        for start in range(0, len(labels), 128):
            question = question_pb2.Question(
                prompt=question_pb2.Prompt(text=prompt),
                options=[question_pb2.Option(label=each) for each in labels[start : start + 128]],
            )
            settings = scoring_pb2.ScoreSettings(model=f"models/{ALIGNED}", reading=reading)
            request = scoring_pb2.ScoreRequest(settings=settings, question=question)
            answer = scoring_pb2_grpc.ScoringServiceStub(channel).Score(request).answer
            found += [option.logprob for option in answer.options]
    return found


def test_questions_of_one_state_are_as_each_alone(http_url: str) -> None:
    together = decide(http_url, *QUESTIONS)
    for question, answer in zip(QUESTIONS, together, strict=True):
        [alone] = decide(http_url, question)
        assert answer.raw_probabilities == pytest.approx(alone.raw_probabilities, abs=TOLERANCE)
        assert answer.label_mass == pytest.approx(alone.label_mass, abs=TOLERANCE)


def test_the_asynchronous_client_is_told_the_same_at_once(http_url: str) -> None:
    """Eight of each question are under way together."""
    asked = QUESTIONS * 8
    told = asyncio.run(decide_at_once(http_url, asked))
    alone = [answer for question in QUESTIONS for answer in decide(http_url, question)]
    for answer, expected in zip(told, alone * 8, strict=True):
        assert (answer.type, answer.labels) == (expected.type, expected.labels)
        assert answer.raw_probabilities == pytest.approx(expected.raw_probabilities, abs=TOLERANCE)
        assert answer.label_mass == pytest.approx(expected.label_mass, abs=TOLERANCE)


def test_what_was_asked_before_is_told_as_cached(http_url: str) -> None:
    with openai.OpenAI(base_url=f"{http_url}/v1", api_key="none") as client:
        first, again = (
            client.decisions.create(model=ALIGNED, input=STATE, questions=QUESTIONS).usage
            for _ in range(2)
        )
    cached = again.input_tokens_details.cached_tokens
    assert first.input_tokens_details.cached_tokens <= cached < again.input_tokens
    assert cached > 0


def test_255_choices_are_read_exactly(server: str, http_url: str) -> None:
    choices = [{"value": f"choice {number}"} for number in range(255)]
    [answer] = decide(http_url, {**QUESTIONS[1], "choices": choices})
    lines = "".join(f"{label}: choice {number}\n" for number, label in enumerate(answer.labels))
    prompt = (
        f"{STATE}\n\nQuestion: What is this review?\n{lines}"
        "Answer with the label of one option only.\nAnswer:"
    )
    weights = np.exp(logprobs(server, prompt, answer.labels))
    assert answer.raw_probabilities == pytest.approx(weights / weights.sum(), abs=TOLERANCE)
    assert answer.label_mass == pytest.approx(weights.sum(), rel=1e-3)


def test_several_orders_are_told_as_what_they_are_to_read(http_url: str) -> None:
    """Two options have two orders: each is the prompt of the question that is asked so."""
    choice = QUESTIONS[1]
    turned = {**choice, "choices": choice["choices"][::-1]}
    with openai.OpenAI(base_url=f"{http_url}/v1", api_key="none") as client:
        asked, other, both = (
            client.decisions.create(
                model=ALIGNED,
                input=" ".join([STATE] * 4),
                questions=[question],
                extra_body={"min_option_mass": 0, "order": order},
            ).usage
            for question, order in (
                (choice, "as_asked"),
                (turned, "as_asked"),
                (choice, "cyclic"),
            )
        )
    assert both.input_tokens == asked.input_tokens + other.input_tokens
    # Both were asked just before.
    assert 0 < both.input_tokens_details.cached_tokens < both.input_tokens


def test_outcomes_of_decisions_tell_of_the_calibrator_that_answered(
    client: Client, http_url: str
) -> None:
    question = {**QUESTIONS[0], "name": "watched"}
    states = [f"The plot was clumsy in {number} of its scenes." for number in range(20)]
    with httpx.Client(base_url=http_url, timeout=60) as http:
        decisions = [{"input": state, "questions": [question]} for state in states]
        body = {"model": ALIGNED, "method": "identity", "activate": True, "decisions": decisions}
        fitted = http.post("/v1/decisions/calibrators", json=body).raise_for_status().json()
        [calibrator] = fitted["calibrators"]
        asked = {"model": ALIGNED, "questions": [question], "receipts": True, "min_option_mass": 0}
        answers = [
            http.post("/v1/decisions", json={**asked, "input": state}).raise_for_status().json()
            for state in states
        ]
        answers = [each["answers"][0] for each in answers]
        assert {each["calibrator"] for each in answers} == {calibrator["name"]}
        told = [{"receipt": each["receipt"], "option": 0} for each in answers]
        path = "/trueodds.v1.CalibrationService/RecordOutcomes"
        recorded = http.post(path, json={"outcomes": told}).raise_for_status().json()
    assert (recorded["recorded"], recorded["errors"]) == (len(states), [])
    drift = client.drift(calibrator["name"])
    assert drift.outcomes == len(states)
    assert drift.since_first is not None
    right = [each["probability"] >= 0.5 for each in answers]
    assert drift.since_first.after.metrics["accuracy"].value == pytest.approx(sum(right) / 20)
