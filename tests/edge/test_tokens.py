"""How many tokens a request may have, and how many are under way at once, and whose."""

import asyncio
import threading
from contextlib import ExitStack, suppress

import grpc
import pytest
from tests.conftest import details_of

from trueodds.v1 import reading_pb2, scoring_pb2
from trueodds_service.caller import Caller, Permission
from trueodds_service.config import Limits, QuotaSettings
from trueodds_service.edge.admission.work import Work
from trueodds_service.edge.quotas.quotas import Quotas
from trueodds_service.engine.fake import FakeEngine
from trueodds_service.errors import Exhausted
from trueodds_service.metering import current
from trueodds_service.prompts.tokenizer import PromptTokenizer

SETTINGS = scoring_pb2.ScoreSettings(model="models/aligned")


class Request:
    """One whose prompts are made and asked, as a flow does it; they stay under way."""

    def __init__(self, work, tenant, method="Score", own=None):
        asks = Caller(tenant, "key", frozenset(Permission), own)
        with work.metered(asks, method):
            self._meter = current()
        self._meter.check()
        self._held = ExitStack()

    def make(self, *tokens, asked=True):
        """Its prompts have so many tokens, and then so many."""
        with ExitStack() as made:
            prompts = made.enter_context(self._meter.prompts())
            for each in tokens:
                prompts.made(each)
            if asked:
                prompts.ask(1)
            self._held.push(made.pop_all())
        return self

    def end(self):
        self._held.close()


@pytest.fixture
def work():
    return Work(Limits(max_tokens_under_way=100), Quotas(QuotaSettings()))


def test_there_is_room_until_they_are_all_taken(work):
    first = Request(work, "").make(60)
    second = Request(work, "").make(40)
    with pytest.raises(Exhausted) as caught:
        Request(work, "")
    assert caught.value.reason == "TOO_MANY_TOKENS"
    assert work.tokens.number == 100
    second.end()
    third = Request(work, "")
    for each in (first, third):
        each.end()
    assert work.tokens.number == 0


def test_a_tenant_that_has_many_leaves_room_for_another(work):
    many = Request(work, "many").make(90)
    with pytest.raises(Exhausted, match="of this tenant"):
        Request(work, "many")
    Request(work, "few").make(5)
    many.end()


def test_who_acts_for_many_tenants_leaves_room_for_another(work):
    many = Request(work, "first", own="many").make(90)
    with pytest.raises(Exhausted, match="of this tenant"):
        Request(work, "second", own="many")
    Request(work, "second").make(5)
    many.end()


@pytest.mark.parametrize("tenant", ["", "many"])
def test_what_was_let_in_at_once_is_refused_as_its_prompts_are_made(work, tenant):
    requests = [Request(work, tenant) for _ in range(30)]
    let_in = 0
    for each in requests:
        with suppress(Exhausted):
            each.make(10, 20)
            let_in += 1
    assert let_in == (4 if tenant else 5)
    assert work.tokens.number == 20 * let_in


def test_two_that_are_as_large_as_the_room_leave_some_to_another_tenant(work):
    first, second = Request(work, "many"), Request(work, "many")
    first.make(50)
    with pytest.raises(Exhausted, match="of this tenant") as caught:
        second.make(25, 50)
    assert caught.value.reason == "TOO_MANY_TOKENS"
    assert work.tokens.number == 50
    Request(work, "few").make(20)
    first.end()
    second.make(25, 50)


def test_prompts_that_are_still_made_are_counted(work):
    first = Request(work, "many").make(60, asked=False)
    with pytest.raises(Exhausted):
        Request(work, "many").make(30)
    first.end()


@pytest.mark.parametrize("tenant", ["", "many"])
def test_a_request_that_is_larger_than_the_room_is_let_in_by_itself(work, tenant):
    large = Request(work, tenant).make(80, 160)
    with pytest.raises(Exhausted):
        Request(work, "few")
    large.end()


def test_tenants_that_come_at_once_have_together_what_there_is_and_one_request(work):
    requests = [Request(work, f"tenant-{number}") for number in range(30)]
    for each in requests:
        with suppress(Exhausted):
            each.make(40, 80)
    assert work.tokens.number == 160


@pytest.mark.parametrize("method", ["StreamScore", "FitCalibrator"])
def test_what_has_begun_goes_on(work, method):
    begun = Request(work, "many", method).make(10)
    other = Request(work, "many").make(70)
    begun.make(60)
    assert work.tokens.number == 140
    other.end()


class Slow(FakeEngine):
    """Answers once it is told to."""

    def __init__(self):
        super().__init__(seed=7, sharpness=1, max_tokens=2048)
        self.is_asked, self._goes_on = threading.Event(), asyncio.Event()

    async def go_on(self):
        self._goes_on.set()

    async def score(self, prompts):
        self.is_asked.set()
        if prompts:
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


def test_what_would_be_more_than_a_gateway_works_on_is_refused(start_service, question, refused):
    engine = Slow()
    service = start_service(engines={"aligned": engine}, limits={"max_tokens_under_way": 4000})
    batch = scoring_pb2.BatchScoreRequest(
        settings=SETTINGS, questions=[question(text="word " * 100)] * 5
    )
    first = service.scoring.BatchScore.future(batch)
    assert engine.is_asked.wait(60)
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="TOO_MANY_TOKENS"):
        service.scoring.BatchScore(batch, timeout=20)
    service.run(engine.go_on())
    tokens = sum(each.answer.prompt_tokens for each in first.result(60).outcomes)
    assert 2000 < tokens < 4000
    assert service.scoring.BatchScore(batch).outcomes == first.result().outcomes


def test_who_asks_nothing_of_an_engine_is_told_so_though_there_is_no_room(start_service, question):
    engine = Slow()
    service = start_service(engines={"aligned": engine}, limits={"max_tokens_under_way": 10})
    first = service.scoring.Score.future(
        scoring_pb2.ScoreRequest(settings=SETTINGS, question=question())
    )
    assert engine.is_asked.wait(60)
    wrong = question()
    del wrong.options[:]
    batch = scoring_pb2.BatchScoreRequest(settings=SETTINGS, questions=[wrong])
    [outcome] = service.scoring.BatchScore(batch, timeout=20).outcomes
    assert outcome.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    service.run(engine.go_on())
    assert first.result(60)


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
