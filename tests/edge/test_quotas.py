"""How much a tenant and a key may ask for, of one gateway and of several."""

import threading
from contextlib import suppress

import grpc
import httpx
import pytest
from grpc_status import rpc_status
from tests.clock import Clock
from tests.conftest import _serving, details_of
from tests.edge.test_metrics import samples

from trueodds.v1 import scoring_pb2
from trueodds_service.caller import Caller, Permission
from trueodds_service.config import Limits, QuotaSettings
from trueodds_service.edge.admission.work import Work
from trueodds_service.edge.identity.identities import for_tenant
from trueodds_service.edge.quotas.account import OverQuota, Spent, Subject
from trueodds_service.edge.quotas.quotas import Quotas
from trueodds_service.metering import current
from trueodds_service.store import SqlKeyStore

SCORE = "trueodds.v1.ScoringService/Score"
STREAM = "trueodds.v1.ScoringService/StreamScore"
FIT = "trueodds.v1.CalibrationService/FitCalibrator"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def quotas(clock):
    """Quotas by their settings; ``refused`` are the refusals that were told."""

    def make(**settings):
        refused = []
        made = Quotas(QuotaSettings.model_validate(settings), refused.append, clock)
        made.refused = refused
        return made

    return make


def caller(tenant="acme", name="key:one"):
    return Caller(tenant, name, frozenset(Permission))


def ask(quotas, who=None, method=SCORE, questions=1, tokens=10):
    """A request, as the gate and a flow do it."""
    with Work(Limits(), quotas).metered(who or caller(), method):
        work(questions, tokens)


def work(questions, tokens):
    current().check()
    with current().prompts() as prompts:
        prompts.made(tokens)
        prompts.ask(questions)


def asked(quotas, who=None, **what):
    """How many requests one after another are let in."""
    count = 0
    while count < 1000:
        try:
            ask(quotas, who, **what)
        except OverQuota:
            return count
        count += 1
    return count


def minute(**rates):
    return {"default": {"tenant": rates}}


def test_a_burst_is_let_in_and_then_the_rate(quotas, clock):
    some = quotas(**minute(requests=60))
    assert asked(some) == 60
    clock.now += 5
    assert asked(some) == 5
    clock.now += 3600
    assert asked(some) == 60


def test_a_smaller_burst(quotas):
    assert asked(quotas(default={"tenant": {"requests": 60}, "burst_seconds": 5})) == 5


def test_who_asks_seldom_enough_is_let_in_however_small_the_quota(quotas, clock):
    some = quotas(default={"tenant": {"requests": 0.5}, "burst_seconds": 1})
    assert asked(some) == 1
    clock.now += 119
    assert asked(some) == 0
    clock.now += 1
    assert asked(some) == 1


@pytest.mark.parametrize("what", ["questions", "prompt_tokens"])
def test_what_costs_more_than_there_is_is_let_in_once_and_waited_for(quotas, clock, what):
    some = quotas(**minute(**{what: 60}))
    costs = {"questions": 180, "tokens": 180}
    ask(some, **costs)
    with pytest.raises(OverQuota) as caught:
        ask(some, **costs)
    assert caught.value.retry_seconds == pytest.approx(121)
    clock.now += 120
    assert asked(some, **costs) == 0
    clock.now += 1.001
    assert asked(some, **costs) == 1


def test_a_refusal_says_whose_quota_it_is_and_costs_nothing(quotas, clock):
    some = quotas(default={"key": {"requests": 6}, "burst_seconds": 10})
    ask(some)
    for _ in range(3):
        with pytest.raises(OverQuota) as caught:
            ask(some)
    error = caught.value
    assert error.message == (
        "the quota of key:one, 6 requests a minute, is used up; try again in 10 s"
    )
    assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    assert [(each.subject.kind, each.what.value) for each in some.refused] == 3 * [
        ("key", "requests")
    ]
    clock.now += 10
    ask(some)


def test_each_key_has_its_own_and_the_tenant_that_of_all(quotas):
    some = quotas(default={"tenant": {"requests": 5}, "key": {"requests": 3}})
    assert asked(some, caller(name="key:one")) == 3
    assert asked(some, caller(name="key:two")) == 2
    assert asked(some, caller("other", "key:one")) == 3


def test_an_administrator_who_reads_for_others_spends_his_own(quotas):
    some = quotas(default={"tenant": {"requests": 5}, "key": {"requests": 3}})
    admin = caller()
    assert asked(some, for_tenant(admin, {"trueodds-tenant": "other"})) == 3
    assert asked(some, for_tenant(admin, {"trueodds-tenant": "another"})) == 0
    assert asked(some, caller("other", "key:two")) == 3


def test_a_tenant_that_is_named_has_its_own_alone(quotas):
    some = quotas(
        default={"tenant": {"requests": 2}, "key": {"requests": 1}},
        tenants=[{"name": "large", "tenant": {"requests": 4}}],
    )
    assert asked(some, caller("large")) == 4
    assert asked(some, caller("acme")) == 1


def test_where_there_is_none_nobody_is_charged(quotas):
    some = quotas()
    assert asked(some) == 1000
    assert some.spent() == {}


def test_a_fit_that_has_begun_is_finished_and_a_stream_is_not(quotas):
    some = quotas(**minute(questions=10))
    with Work(Limits(), some).metered(caller(), FIT):
        for _ in range(5):
            work(10, 10)
    some = quotas(**minute(questions=10))
    with Work(Limits(), some).metered(caller(), STREAM):
        work(10, 10)
        with pytest.raises(OverQuota):
            current().check()


# Several gateways


def hear(*gateways):
    """Each hears what the others have spent."""
    told = {number: gateway.spent() for number, gateway in enumerate(gateways)}
    for number, gateway in enumerate(gateways):
        gateway.learn({other: totals for other, totals in told.items() if other != number})


def test_gateways_share_a_quota(quotas, clock):
    one, two = (quotas(**minute(requests=60)) for _ in range(2))
    hear(one, two)
    assert asked(one) == 60
    hear(one, two)
    assert asked(two) == 0
    # The rate holds whoever is asked, and both know that.
    let_in = 0
    for _ in range(600):
        clock.now += 0.5
        for each in (one, two):
            let_in += asked(each)
            hear(one, two)
    assert let_in == pytest.approx(300, abs=2)


def test_what_two_let_through_before_they_heard_of_it_is_a_debt(quotas, clock):
    one, two = (quotas(**minute(requests=60)) for _ in range(2))
    hear(one, two)
    assert asked(one) + asked(two) == 120
    hear(one, two)
    clock.now += 60
    assert asked(one) + asked(two) == 0
    clock.now += 1
    assert asked(one) == 1


def test_a_message_that_comes_twice_or_not_changes_nothing(quotas):
    one, two = (quotas(**minute(requests=60)) for _ in range(2))
    hear(one, two)
    for _ in range(3):
        ask(one)
        one.spent()  # is not heard
    for _ in range(4):
        two.learn({0: one.spent()})
    assert asked(two) == 57


def test_of_a_gateway_that_begins_anew_what_is_new_counts(quotas):
    one = quotas(**minute(requests=60))
    subject = Subject("acme")
    for spent, left in ((50, 60), (55, 55), (3, 52)):
        one.learn({7: {subject: Spent(spent)}})
        count = asked(one)
        assert count == left
        # Given back for the next step.
        one._accounts[subject].take(Spent(requests=-count))


def test_who_is_idle_is_forgotten_once_everybody_has_heard_of_it(quotas, clock):
    one = quotas(**minute(requests=600))
    ask(one)
    clock.now += 1  # full again
    assert one.spent() == {Subject("acme"): Spent(1, 1, 10)}
    clock.now += 60
    assert one.spent() == {}


def test_streams_that_were_idle_draw_from_the_one_bucket(quotas, clock):
    one, two = (quotas(**minute(questions=60)) for _ in range(2))
    streams = []
    for _ in range(10):
        streams.append(one.request(caller()))
        clock.now += 31
        hear(one, two)
    let_in = 0
    for stream in streams:
        with suppress(OverQuota):
            stream.check()
            stream.spend(60, 10)
            let_in += 60
    assert let_in == 60
    hear(one, two)
    assert asked(two) == 0


# A service


@pytest.fixture(scope="module")
def guarded(weights, run, tmp_path_factory):
    """A service with a quota of a key of each tenant, and what makes another key."""
    file = tmp_path_factory.mktemp("store") / "store.sqlite"
    quotas = {
        "default": {"key": {"requests": 2}},
        "tenants": [
            {"name": "few-questions", "tenant": {"questions": 3}},
            {"name": "few-tokens", "key": {"prompt_tokens": 20}},
        ],
    }
    settings = {"access": "keys", "http": "127.0.0.1:0", "quotas": quotas}
    with _serving(weights, run, file, **settings) as service:
        keys = SqlKeyStore(f"sqlite:///{file}")

        def key(tenant):
            _, text = keys.create("one", tenant=tenant, permissions={Permission.SCORE})
            service.run(service.app._identities._keys.refresh())
            return [("authorization", f"Bearer {text}")]

        service.key = key
        yield service
        keys.close()


def request_for(question, kind=scoring_pb2.ScoreRequest, **fields):
    settings = scoring_pb2.ScoreSettings(model="models/aligned")
    return kind(settings=settings, **(fields or {"question": question}))


def refusal(call):
    """The status, reason and pause that a call is refused with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    details = details_of(rpc_status.from_call(caught.value))
    return caught.value.code(), details["reason"], details["delay"]


def test_requests_beyond_a_key_s_quota_are_refused_until_later(guarded, question):
    key, request = guarded.key("acme"), request_for(question())
    before = samples(guarded.app.metrics.node(), "trueodds_quota_refusals_total")
    for _ in range(2):
        guarded.scoring.Score(request, metadata=key)
    status, reason, seconds = refusal(lambda: guarded.scoring.Score(request, metadata=key))
    assert (status, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    assert 0 < seconds <= 30
    told = samples(guarded.app.metrics.node(), "trueodds_quota_refusals_total")
    assert told[("requests", "key")] == before.get(("requests", "key"), 0) + 1


def test_over_http_it_is_429_and_when_to_come_back(guarded):
    headers = dict(guarded.key("http"))
    url = f"{guarded.url}/trueodds.v1.ModelService/ListModels"
    answers = [httpx.post(url, json={}, headers=headers) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30


def test_questions_are_counted_of_batches_and_of_streams(guarded, question):
    key = guarded.key("few-questions")
    batch = request_for(None, scoring_pb2.BatchScoreRequest, questions=[question()] * 2)
    guarded.scoring.BatchScore(batch, metadata=key)
    stream = request_for(None, scoring_pb2.StreamScoreRequest, questions=[question()] * 2)
    is_answered = threading.Event()

    def batches():
        yield stream
        is_answered.wait()
        yield stream

    answers = guarded.scoring.StreamScore(batches(), metadata=key)
    assert len(next(answers).outcomes) == 2
    is_answered.set()
    refused = next(answers).error
    assert details_of(refused)["reason"] == "QUOTA_EXCEEDED"
    assert "3 questions a minute" in refused.message


def test_tokens_are_counted_and_calls_without_an_engine_have_none(guarded, question):
    key, request = guarded.key("few-tokens"), request_for(question())
    guarded.scoring.Score(request, metadata=key)
    status, reason, _ = refusal(lambda: guarded.scoring.Score(request, metadata=key))
    assert (status, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
    url = f"{guarded.url}/trueodds.v1.ModelService/ListModels"
    assert httpx.post(url, json={}, headers=dict(key)).status_code == 200
