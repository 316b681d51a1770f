"""Alerts in the store: once each, told until the webhook has them, and a proposal for them all."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from trueodds_service.store import (
    Alert,
    BadPageToken,
    NotActive,
    Proposal,
    SqlAlertStore,
    SqlCalibratorStore,
    Wanted,
)

NOW, LATER = timedelta(0), timedelta(hours=1)


@pytest.fixture
def alerts(url):
    alerts = SqlAlertStore(url)
    yield alerts
    alerts.close()


@pytest.fixture
def found(store, make, acting_for):
    """Makes an alert of a calibrator that is kept."""

    def found(test="too_high", *, through=121, **scope):
        with acting_for(scope.get("tenant", "")):
            calibrator = store.put(make(**scope))
        return Alert(
            scope=calibrator.scope,
            calibrator=calibrator.id,
            test=test,
            alpha=0.01,
            log_evidence=5.25,
            outcomes=120,
            expected=0.9,
            observed=0.6,
            through=through,
            created_at=datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=UTC),
        )

    return found


def test_an_alert_is_kept_once_as_it_was_first_found(alerts, found):
    first = found()
    assert alerts.add(first, deliver=True, propose=True)
    assert not alerts.add(replace(first, log_evidence=9.0), deliver=True, propose=True)
    [told] = alerts.page("demo-aligned", None, page_size=10).alerts
    assert told.alert == first
    assert alerts.known() == {(first.calibrator, "too_high")}


def test_of_gateways_that_find_the_same_at_once_one_is_first(url, found):
    alert, new, start = found(), [], threading.Barrier(4)
    stores = [SqlAlertStore(url) for _ in range(4)]

    def add(store):
        start.wait()
        new.append(store.add(alert, deliver=True, propose=True))

    threads = [threading.Thread(target=add, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False, False, False, True]
    assert len(stores[0].page("demo-aligned", None, page_size=10).alerts) == 1
    for store in stores:
        store.close()


def test_pages_are_of_a_model_or_of_a_calibrator_the_newest_first(alerts, found):
    everyone = [found(test, task=task) for task in "ab" for test in ("too_high", "shifted", "any")]
    for each in everyone:
        alerts.add(each, deliver=False, propose=False)
    seen, token = [], ""
    while True:
        page = alerts.page("demo-aligned", None, page_size=2, page_token=token)
        seen += [told.alert for told in page.alerts]
        token = page.next_page_token
        if not token:
            break
    assert seen == everyone[::-1]
    one = everyone[0].calibrator
    page = alerts.page("demo-aligned", one, page_size=2)
    assert [told.alert for told in page.alerts] == everyone[2:0:-1]
    assert page.next_page_token
    assert alerts.page("other", None, page_size=2).alerts == []
    for model, calibrator in (("demo-aligned", None), ("other", one)):
        with pytest.raises(BadPageToken):
            alerts.page(model, calibrator, page_size=2, page_token=page.next_page_token)


def test_a_tenant_sees_its_own_alone(alerts, found, acting_for):
    ours, theirs = found(), found(tenant="acme")
    for each in (ours, theirs):
        alerts.add(each, deliver=False, propose=False)
    assert [each.alert for each in alerts.page("demo-aligned", None, page_size=9).alerts] == [ours]
    assert alerts.page("demo-aligned", theirs.calibrator, page_size=9).alerts == []
    with acting_for("acme"):
        [told] = alerts.page("demo-aligned", None, page_size=9).alerts
    assert told.alert == theirs


def test_a_delivery_is_claimed_by_one_until_its_time_is_over(alerts, found):
    alert = found()
    alerts.add(alert, deliver=True, propose=False)
    assert alerts.claim_delivery(LATER) == (alert, 1)
    assert alerts.claim_delivery(LATER) is None, "somebody is at it"
    alerts.not_delivered(alert.id, "status 500", NOW)
    assert alerts.claim_delivery(NOW) == (alert, 2)
    assert alerts.claim_delivery(NOW) == (alert, 3), "whoever was at it has died"
    alerts.delivered(alert.id)
    assert alerts.claim_delivery(NOW) is None
    alerts.not_delivered(alert.id, "too late", NOW)
    [told] = alerts.page("demo-aligned", None, page_size=1).alerts
    assert told.delivery.delivered_at is not None
    assert (told.delivery.attempts, told.delivery.fault, told.delivery.try_at) == (3, "", None)


def test_what_is_given_up_or_has_no_webhook_is_not_told(alerts, found):
    given_up, silent = found("too_high"), found("shifted")
    alerts.add(given_up, deliver=True, propose=False)
    alerts.add(silent, deliver=False, propose=False)
    assert alerts.claim_delivery(NOW) == (given_up, 1)
    alerts.not_delivered(given_up.id, "status 500", None)
    assert alerts.claim_delivery(NOW) is None
    first, second = (each.delivery for each in alerts.page("demo-aligned", None, page_size=2)[0])
    assert (first.attempts, first.try_at, first.fault) == (0, None, "")
    assert (second.attempts, second.try_at, second.fault) == (1, None, "status 500")


def test_all_alerts_of_a_calibrator_have_one_proposal(alerts, found, store, make):
    shifted, first, second = found("shifted"), found("too_high"), found("any", through=900)
    alerts.add(shifted, deliver=False, propose=False)
    assert alerts.claim_proposal(NOW, datetime.now(UTC)) is None
    for each in (first, second):
        alerts.add(each, deliver=False, propose=True)
    wanted = Wanted(first.calibrator, 121)
    assert alerts.claim_proposal(LATER, datetime.now(UTC)) == wanted
    assert alerts.claim_proposal(LATER, datetime.now(UTC)) is None
    alerts.propose(first.calibrator, Proposal(note="37 of 400"), NOW)
    assert alerts.claim_proposal(NOW, datetime.now(UTC)) == wanted
    # Put off in a round, it is due in the next.
    began = datetime.now(UTC)
    alerts.propose(first.calibrator, Proposal(note="38 of 400"), timedelta(microseconds=1))
    assert alerts.claim_proposal(NOW, began) is None
    better = store.put(make(2.5))
    proposal = Proposal(
        proposed=better.id, fitted=200, held_out=201, differences={"brier": (-0.1, -0.2, -0.05)}
    )
    alerts.propose(first.calibrator, proposal)
    assert alerts.claim_proposal(NOW, datetime.now(UTC)) is None
    told = alerts.page("demo-aligned", None, page_size=3).alerts
    assert [each.proposal for each in told] == [proposal] * 3


def test_an_activation_may_be_bound_to_what_it_replaces(store: SqlCalibratorStore, make):
    one, two, three = (store.put(make(t)) for t in (1.0, 2.0, 3.0))
    store.activate("demo-aligned", one.id)
    store.activate("demo-aligned", two.id, expected_id=one.id)
    assert store.active(one.scope) == two
    with pytest.raises(NotActive):
        store.activate("demo-aligned", three.id, expected_id=one.id)
    assert store.active(one.scope) == two
