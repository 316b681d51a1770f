"""How many tokens a request may have, and how many are under way at once, and whose."""

import asyncio
import threading

import grpc
import pytest
from tests.conftest import details_of

from trueodds.v1 import reading_pb2, scoring_pb2
from trueodds_service.edge.admission.tokens import TokensUnderWay
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import Exhausted
from trueodds_service.prompts.tokenizer import PromptTokenizer

SETTINGS = scoring_pb2.ScoreSettings(model="models/aligned")


def test_there_is_room_until_they_are_all_taken():
    tokens = TokensUnderWay(100)
    with tokens.taken("", 60):
        tokens.check("")
        with tokens.taken("", 60):
            with pytest.raises(Exhausted) as caught:
                tokens.check("")
            assert caught.value.reason == "TOO_MANY_TOKENS"
            assert tokens.number == 120
        tokens.check("")
    assert tokens.number == 0


def test_a_tenant_that_has_many_leaves_room_for_another():
    tokens = TokensUnderWay(100)
    with tokens.taken("many", 90):
        with pytest.raises(Exhausted, match="of this tenant"):
            tokens.check("many")
        tokens.check("few")


class Slow(FakeEngine):
    """Answers once it is told to."""

    def __init__(self):
        super().__init__(seed=7, sharpness=1, max_tokens=2048)
        self.is_asked, self._goes_on = threading.Event(), asyncio.Event()

    async def go_on(self):
        self._goes_on.set()

    async def score(self, prompts):
        self.is_asked.set()
        await self._goes_on.wait()
        return await super().score(prompts)


def test_while_a_gateway_has_enough_new_requests_are_refused(start_service, question, refused):
    engine = Slow()
    service = start_service(engines={"aligned": engine}, limits={"max_tokens_under_way": 10})
    request = scoring_pb2.ScoreRequest(settings=SETTINGS, question=question())
    first = service.scoring.Score.future(request)
    assert engine.is_asked.wait(60)
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_TOKENS"):
        service.scoring.Score(request)
    service.run(engine.go_on())
    assert first.result(60).answer.prompt_tokens > 10
    assert service.scoring.Score(request).answer == first.result().answer


def test_a_request_of_too_many_tokens_is_refused(start_service, question, refused):
    limits = {"max_tokens": 100}
    service = start_service(limits=limits)
    short, long = question(), question(text="word " * 100)
    assert service.score(short).prompt_tokens < 100
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_TOO_LONG"):
        service.score(long)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_TOO_LONG"):
        service.batch([short] * 20)
    batch = scoring_pb2.StreamScoreRequest(settings=SETTINGS, questions=[short] * 20)
    [answer] = service.scoring.StreamScore(iter([batch]))
    assert details_of(answer.error)["reason"] == "REQUEST_TOO_LONG"


def test_what_is_too_much_is_refused_before_all_of_it_is_made(
    start_service, question, refused, monkeypatch
):
    """A short request can stand for more prompts than there is memory for: each of its questions in
    each order of its options."""
    made = []
    prepare = PromptTokenizer.prepare

    def counting(self, questions, *others):
        made.extend(questions)
        return prepare(self, questions, *others)

    monkeypatch.setattr(PromptTokenizer, "prepare", counting)
    service = start_service(limits={"max_tokens": 50_000})
    cyclic = reading_pb2.Reading(order_correction=reading_pb2.ORDER_CORRECTION_CYCLIC)
    questions = [question(text=f"{number} {'word ' * 100}", options=100) for number in range(100)]
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason="REQUEST_TOO_LONG"):
        service.batch(questions, reading=cyclic)
    assert 0 < len(made) < 1000


def test_a_longer_question_waits_for_no_thread_where_its_tenant_asks_nothing_else(
    start_service, question, monkeypatch
):
    threads, prepare = [], PromptTokenizer.prepare

    def seen(*args):
        threads.append(threading.current_thread())
        return prepare(*args)

    monkeypatch.setattr(PromptTokenizer, "prepare", seen)
    engine = Slow()
    service = start_service(engines={"aligned": engine})
    longer = question(passage="So it goes on. " * 150)
    request = scoring_pb2.ScoreRequest(settings=SETTINGS, question=longer)
    first = service.scoring.Score.future(request)
    assert engine.is_asked.wait(60)
    engine.is_asked.clear()
    second = service.scoring.Score.future(request)
    assert engine.is_asked.wait(60)
    service.run(engine.go_on())
    assert first.result(60).answer == second.result(60).answer
    at_once, later = threads
    assert at_once != later
    third = service.scoring.Score(request)
    assert third.answer == first.result().answer
    assert threads[2] == at_once
