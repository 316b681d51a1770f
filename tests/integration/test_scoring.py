"""Scoring on the real engine: prefix cache, concurrency, wrong input, real questions."""

import asyncio
import json
from pathlib import Path

import grpc
import pytest

from trueodds import Answer, AsyncClient, Client, Format, InvalidRequest, Question
from trueodds.v1 import scoring_pb2, scoring_pb2_grpc
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED, BASE

# Logprobs of one prompt may differ in their last digits with what else is in the batch.
TOLERANCE = 1e-4

LOGIQA = sorted((Path(__file__).parents[3] / "shared").glob("data/agieval/logiqa-en.jsonl"))


def logprobs(answer: object) -> list[float]:
    assert isinstance(answer, Answer)
    return [option.logprob for option in answer.options]


def test_a_batch_says_what_single_questions_say(client: Client) -> None:
    asked = scored_questions("openbook", 30)
    batch = client.score_batch(asked, model=ALIGNED, shots=shots("openbook"))
    for question, answer in zip(asked, batch, strict=True):
        single = client.score(question, model=ALIGNED, shots=shots("openbook"))
        assert logprobs(single) == pytest.approx(logprobs(answer), abs=TOLERANCE)


async def test_concurrent_callers_get_their_own_answers(server: str) -> None:
    """Seven tasks, two models and two formats at once, each against its answer alone."""
    async with AsyncClient(server) as client:
        calls = [
            (task, model, answer_format)
            for task in world.TASKS
            for model in (BASE, ALIGNED)
            for answer_format in Format
        ]

        async def ask(task: str, model: str, answer_format: Format) -> list[list[float]]:
            answers = await client.score_batch(
                scored_questions(task, 10), model=model, reading=answer_format, shots=shots(task)
            )
            return [logprobs(answer) for answer in answers]

        together = await asyncio.gather(*(ask(*call) for call in calls))
        for call, found in zip(calls, together, strict=True):
            for alone, crowded in zip(await ask(*call), found, strict=True):
                assert crowded == pytest.approx(alone, abs=TOLERANCE)


def test_shots_settle_the_format_of_the_base_model(client: Client) -> None:
    """Zero-shot the base may answer in several ways; after five examples it knows which."""
    asked = scored_questions("knowledge", 20)
    zero = client.score_batch(asked, model=BASE)
    five = client.score_batch(asked, model=BASE, shots=shots("knowledge"))
    assert all(answer.format_probability < 0.8 for answer in zero)
    assert all(answer.format_probability > 0.95 for answer in five)


def test_over_long_input_is_refused_and_never_cut(client: Client) -> None:
    limit = client.model(BASE).max_prompt_tokens
    long = Question("word " * limit, ("yes", "no"))
    with pytest.raises(InvalidRequest, match="tokens long") as caught:
        client.score(long, model=BASE)
    assert caught.value.reason == "PROMPT_TOO_LONG"
    assert caught.value.field == "question.text"


def test_a_wrong_question_fails_alone(client: Client) -> None:
    good = scored_questions("truth", 3)
    bad = Question("Which?", ("a", "b"), labels=("A", "A"))
    outcomes = client.score_batch([*good, bad, *good], model=BASE)
    assert [isinstance(o, Answer) for o in outcomes] == [True] * 3 + [False] + [True] * 3
    assert isinstance(outcomes[3], InvalidRequest)
    assert outcomes[3].field == "questions[3].options[1].label"


def test_a_cancelled_call_leaves_the_engine_answering(server: str, client: Client) -> None:
    request = scoring_pb2.BatchScoreRequest(settings={"model": f"models/{BASE}"})
    for question in scored_questions("logic", 500):
        asked = request.questions.add(text=question.text)
        for option in question.options:
            asked.options.add(text=option)
    with grpc.insecure_channel(server) as channel:
        call = scoring_pb2_grpc.ScoringServiceStub(channel).BatchScore.future(request)
        call.cancel()
        with pytest.raises(grpc.FutureCancelledError):
            call.result()
    assert client.score(scored_questions("logic", 1)[0], model=BASE).choice in range(4)


@pytest.mark.parametrize("path", LOGIQA, ids=lambda path: path.stem)
def test_real_questions_of_real_length(client: Client, path: Path) -> None:
    """LogiQA: every question is answered, or refused as too long, in its place."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [
        Question(row["question"], [option[3:] for option in row["options"]], row["passage"] or "")
        for row in rows
    ]
    outcomes = client.score_batch(asked, model=ALIGNED, task="logiqa")
    answered = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert len(outcomes) == len(rows)
    assert len(answered) > 0.99 * len(rows)
    for answer in answered:
        assert sum(option.probability for option in answer.options) == pytest.approx(1)
        assert not answer.calibrated
