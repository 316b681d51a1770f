"""An alert reaches the webhook at least once, whatever dies meanwhile, and is given up one day."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from tests import pages
from tests.told import active, tell

from trueodds_service.flows import deliveries as deliveries_module
from trueodds_service.flows.deliveries import Deliveries, body
from trueodds_service.store import SqlAlertStore


@pytest.fixture
def alerted(start_service, monkeypatch):
    """A service with an alert of a task, and a webhook that nobody listens at."""
    monkeypatch.setenv("HOOK", "A" * 44)
    monkeypatch.setattr(deliveries_module, "POLL_SECONDS", 3600.0)
    hook = {"url": "http://127.0.0.1:1/", "secret_env": "HOOK"}
    service = start_service(alerts={"webhook": hook})
    calibrator = active(service, "birds")
    tell(service, calibrator, share=0.5, count=100)
    service.run(service.app._alerts.look())
    return service


@pytest.fixture
def listed(alerted):
    """The alerts, the oldest first."""

    def listed():
        page = alerted.app._alerts.page("aligned", None, page_size=9, page_token="")
        return alerted.run(page).alerts[::-1]

    return listed


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(deliveries_module, "_FIRST_PAUSE", timedelta(0))


def deliver(service, *answers):
    """Delivers with a webhook that answers so, then takes all; what it was sent."""
    sent, answers = [], list(answers)

    async def post(message, content):
        sent.append((message, content))
        answer = answers.pop(0) if answers else ""
        if isinstance(answer, Exception):
            raise answer
        return answer

    service.run(Deliveries(service.app._alerts, post).deliver())
    return sent


def test_each_alert_is_delivered_with_its_id(alerted, listed):
    sent = deliver(alerted)
    assert {message for message, _ in sent} == {each.alert.id for each in listed()}
    assert all(each.delivery.delivered_at for each in listed())
    assert deliver(alerted) == []


def test_the_message_tells_of_the_calibrator_and_nothing_of_questions(alerted, listed):
    told = next(each.alert for each in listed() if each.alert.test == "too_high")
    content = json.loads(body(told))
    assert content["type"] == "calibrator.alert"
    assert datetime.fromisoformat(content["timestamp"]) == told.created_at.replace(
        microsecond=told.created_at.microsecond // 1000 * 1000
    )
    shown = json.loads(pages.beginning('{"type": "calibrator.alert"').text)
    data = content["data"]
    assert (content.keys(), data.keys()) == (shown.keys(), shown["data"].keys())
    assert data["scope"] == {
        "model": "models/aligned",
        "model_revision": told.scope.revision,
        "task": "birds",
        "reading": told.scope.reading,
        "format_version": told.scope.format_version,
        "options": 2,
    }
    assert data["calibrator"] == told.calibrator_name
    assert data["promise_broken"] is True


def test_what_is_not_taken_is_sent_again_the_same(alerted, listed, no_pauses):
    count = len(listed())
    sent = deliver(alerted, "status 500", "TimeoutError")
    assert len(sent) == count + 2
    assert len({*sent}) == count
    assert sorted(each.delivery.attempts for each in listed())[-1] >= 2
    assert {each.delivery.fault for each in listed()} == {""}


def test_the_pauses_grow_and_have_an_end():
    pauses = [deliveries_module._pause(n) for n in range(1, deliveries_module._MOST_ATTEMPTS)]
    assert pauses[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)
    assert timedelta(hours=9) < sum(pauses, timedelta()) < timedelta(hours=15)


def test_after_a_failure_it_waits(alerted, listed):
    before = datetime.now(UTC)
    deliver(alerted, *["status 503"] * len(listed()))
    for each in listed():
        assert each.delivery.fault == "status 503"
        assert each.delivery.try_at >= before + timedelta(seconds=5)
    assert deliver(alerted) == []


def test_it_is_given_up_one_day(alerted, listed, no_pauses, monkeypatch, caplog):
    monkeypatch.setattr(deliveries_module, "_MOST_ATTEMPTS", 3)
    count = len(listed())
    assert len(deliver(alerted, *["status 500"] * 99)) == 3 * count
    assert {each.delivery.try_at for each in listed()} == {None}
    assert {each.delivery.delivered_at for each in listed()} == {None}
    assert caplog.text.count("given up") == count


@pytest.mark.parametrize("moment", ["before it was taken", "before it was marked"])
def test_who_dies_leaves_it_to_the_next(alerted, listed, monkeypatch, moment):
    monkeypatch.setattr(deliveries_module, "_LEASE", timedelta(0))
    if moment == "before it was taken":
        with pytest.raises(ZeroDivisionError):
            deliver(alerted, ZeroDivisionError())
    else:
        with monkeypatch.context() as patch:
            patch.setattr(SqlAlertStore, "delivered", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                deliver(alerted)
    sent = deliver(alerted)
    assert {message for message, _ in sent} == {each.alert.id for each in listed()}
    assert all(each.delivery.delivered_at for each in listed())


def test_two_gateways_share_the_work(alerted, listed):
    sent = [[], []]

    def post(place):
        async def post(message, _):
            sent[place].append(message)
            await asyncio.sleep(0.01)
            return ""

        return post

    async def both():
        gateways = [Deliveries(alerted.app._alerts, post(place)) for place in range(2)]
        await asyncio.gather(*(each.deliver() for each in gateways))

    alerted.run(both())
    assert sorted(sent[0] + sent[1]) == sorted(each.alert.id for each in listed())


def test_the_gateway_delivers_by_itself(start_service, monkeypatch):
    monkeypatch.setenv("HOOK", "A" * 44)
    monkeypatch.setattr(deliveries_module, "POLL_SECONDS", 0.02)
    got = asyncio.Event()
    lines = []

    async def receive(reader, writer):
        lines.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()
        got.set()

    async def listen():
        return await asyncio.start_server(receive, "127.0.0.1", 0)

    # In the one loop that services live in, before they do.
    first = start_service(alerts=None)
    server = first.run(listen())
    port = server.sockets[0].getsockname()[1]
    hook = {"url": f"http://127.0.0.1:{port}/hook", "secret_env": "HOOK"}
    service = start_service(alerts={"check_seconds": 0.1, "webhook": hook})
    tell(service, active(service), share=0.5, count=100)
    service.run(got.wait())
    assert lines[0].startswith(b"POST /hook HTTP/1.1\r\n")
    server.close()
