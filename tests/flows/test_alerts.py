"""A calibrator that no longer holds is found by whoever looks first, and told once."""

import json
import logging
import re
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from tests.told import active, correct, tell

from trueodds.v1 import calibration_pb2 as pb
from trueodds_service.caller import Caller, Permission, acting_for
from trueodds_service.edge.logs import JsonLines
from trueodds_service.flows import alerts as alerts_module
from trueodds_service.flows.promises import Answers, Promise, PromiseTests
from trueodds_service.store import Calibrator, Scope, SqlAlertStore, SqlOutcomeStore
from trueodds_service.store.errors import StoreUnavailable


@pytest.fixture
def looked(run):
    """Looks with the watch of a service, and gives the tests that have found anything so far."""

    def looked(service, model="aligned"):
        alerts = service.app._alerts
        run(alerts.look())
        page = run(alerts.page(model, None, page_size=100, page_token=""))
        return [told.alert.test for told in page.alerts][::-1]

    return looked


@pytest.fixture
def asked(monkeypatch):
    """The questions that the outcomes of any store are asked for outcomes."""
    asked = []
    original = SqlOutcomeStore.of_calibrator

    def of_calibrator(self, calibrator, **how):
        asked.append(how)
        return original(self, calibrator, **how)

    monkeypatch.setattr(SqlOutcomeStore, "of_calibrator", of_calibrator)
    return asked


def test_a_broken_promise_is_found_without_being_asked(start_service, looked, caplog):
    service = start_service()
    calibrator = active(service)
    tell(service, calibrator, share=0.9, count=300)
    assert looked(service) == []
    tell(service, calibrator, share=0.6, count=300, seed=4)
    with caplog.at_level(logging.WARNING):
        assert {"too_high", "miscalibrated"} <= {*looked(service)}
    [told] = [
        each.alert
        for each in service.run(
            service.app._alerts.page("aligned", None, page_size=9, page_token="")
        ).alerts
        if each.alert.test == "too_high"
    ]
    assert told.calibrator_name == calibrator.name
    assert told.expected == pytest.approx(0.9)
    assert 0.6 < told.observed < 0.85, "of the newest thousand: both parts"
    assert 300 < told.outcomes <= 600
    lines = [json.loads(JsonLines("g").format(each)) for each in caplog.records]
    [line] = [each for each in lines if each.get("alert") == told.id]
    assert line["message"] == "a calibrator no longer holds"
    assert (line["calibrator"], line["test"]) == (calibrator.name, "too_high")


def test_it_is_told_once_whoever_looks_and_after_a_restart(start_service, looked, caplog):
    one, two = start_service(), start_service()
    calibrator = active(one)
    tell(one, calibrator, share=0.5, count=300)
    two.run(two.app._calibrators.refresh())
    with caplog.at_level(logging.WARNING):
        found = looked(one)
        assert found
        assert looked(two) == looked(start_service()) == looked(one) == found
    assert sum("no longer holds" in each.message for each in caplog.records) == len(found)


def test_where_nothing_was_told_no_outcome_is_read(start_service, looked, asked):
    service = start_service()
    calibrator = active(service)
    tell(service, calibrator, share=0.9, count=50)
    looked(service)
    asked.clear()
    looked(service)
    assert asked == []
    tell(service, calibrator, share=0.9, count=2, seed=9)
    looked(service)
    [how] = asked
    assert how["after"] > 0, "what it has read it does not read again"


def test_outcomes_in_any_number_of_looks_are_the_same_evidence(start_service, looked):
    """The alarm comes after the same outcome as where drift looks at all of them at once."""
    service = start_service()
    calibrator = active(service)
    for seed in range(60):
        tell(service, calibrator, share=0.6, count=7, seed=seed)
        looked(service)
    kept = service.app._alerts.outcomes.of_calibrator(calibrator.name.rpartition("/")[2])
    tests = PromiseTests()
    tests.add(Answers.of(kept))
    page = service.run(service.app._alerts.page("aligned", None, page_size=9, page_token=""))
    told = {each.alert.test: each.alert.outcomes for each in page.alerts}
    assert told
    assert told == {
        test.value: evidence.alarm_at
        for test, evidence in tests.evidence.items()
        if evidence.alarm_at is not None
    }


def test_a_correction_is_taken_up(start_service, looked):
    service = start_service()
    receipts = tell(service, active(service), share=1.0, count=60)
    assert looked(service) == []
    correct(service, receipts, 1)
    assert "too_high" in looked(service)


def test_many_outcomes_are_read_in_parts(start_service, looked, asked, monkeypatch):
    monkeypatch.setattr(alerts_module, "_AT_ONCE", 50)
    monkeypatch.setattr(alerts_module, "_PAUSE_SECONDS", 0.0)
    service = start_service()
    tell(service, active(service), share=0.5, count=120)
    assert "too_high" in looked(service)
    parts = [how for how in asked if how.get("at_most") == 50]
    assert [how["after"] for how in parts] == sorted({how["after"] for how in parts})
    assert len(parts) == 3


def test_a_backup_that_is_restored_counts_on_from_less(start_service, looked):
    service = start_service()
    calibrator = active(service)
    tell(service, calibrator, share=0.4, count=200)
    assert "too_high" in looked(service)
    with service.app._alerts.outcomes._database.writing() as session:
        for table in ("outcomes", "proposals", "alerts"):
            session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 (names of ours)
        session.execute(text("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'outcomes'"))
    tell(service, calibrator, share=0.4, count=100, seed=4)
    assert "too_high" in looked(service)


def test_damaged_outcomes_of_one_calibrator_hide_no_other_s(start_service, looked):
    service = start_service()
    damaged, sound = active(service, "damaged"), active(service, "sound")
    for each in (damaged, sound):
        tell(service, each, share=0.5, count=100)
    with service.app._alerts.outcomes._database.writing() as session:
        row = text("UPDATE outcomes SET calibrated = x'00' WHERE calibrator_id = :id")
        session.execute(row, {"id": damaged.name.rpartition("/")[2]})
    for _ in range(2):
        with pytest.raises(ValueError, match="NumPy boolean array"):
            looked(service)
    page = service.run(service.app._alerts.page("aligned", None, page_size=9, page_token=""))
    assert {each.alert.calibrator_name for each in page.alerts} == {sound.name}


def test_what_is_not_active_is_not_watched(start_service, looked):
    service = start_service()
    first = active(service)
    active(service, temperature=0.6)
    tell(service, first, share=0.3, count=200)
    assert looked(service) == []
    service.run(service.app._calibrators.activate(_record(service, first)))
    assert "too_high" in looked(service), "once it is, with all that was told of it"


def test_a_shift_is_a_reason_to_look_and_no_broken_promise(start_service, looked, caplog):
    service = start_service()
    calibrator = active(service)
    tell(service, calibrator, share=0.6, count=300, said=0.6)
    with caplog.at_level(logging.WARNING):
        tell(service, calibrator, share=0.95, count=300, said=0.95, seed=4)
        assert looked(service) == ["shifted"]
    assert [each.message for each in caplog.records] == ["confidences have moved: look"]
    page = service.run(service.app._alerts.page("aligned", None, page_size=9, page_token=""))
    [told] = page.alerts
    assert (told.alert.expected, told.alert.observed) == pytest.approx((0.775, 0.775))
    assert told.proposal is None


def test_a_store_that_is_away_does_not_end_the_watch(start_service, looked, monkeypatch):
    """It goes away in the middle of a look, when what was found is to be recorded."""
    service = start_service(alerts={"check_seconds": 0.1})
    calibrator = active(service)
    add, tried = SqlAlertStore.add, []

    def away(self, alert, **how):
        tried.append(alert)
        if len(tried) <= 2:
            raise StoreUnavailable("it is away")
        return add(self, alert, **how)

    monkeypatch.setattr(SqlAlertStore, "add", away)
    tell(service, calibrator, share=0.5, count=300)

    while not service.app._alerts.counts().get(("aligned", "too_high")):
        time.sleep(0.02)
    assert len(tried) > 2


def test_on_a_database_of_a_cluster(start_service, looked, postgres_server):
    url = postgres_server.emptied()
    one, two = start_service(store=url), start_service(store=url)
    calibrator = active(one)
    two.run(two.app._calibrators.refresh())
    receipts = tell(one, calibrator, share=0.9, count=100)
    assert looked(one) == looked(two) == []
    correct(one, receipts, 1)
    assert looked(two) == looked(one) != []
    two.run(two.app._checks._proposals.propose())
    page = one.run(one.app._alerts.page("aligned", None, page_size=1, page_token=""))
    assert page.alerts[0].proposal.note == "0 of 400 outcomes since the alert"


def test_metrics_tell_of_it_until_another_calibrator_is_active(start_service, looked):
    one, two = start_service(), start_service()
    tell(one, active(one), share=0.5, count=100)
    two.run(two.app._calibrators.refresh())
    assert gauge(one, "too_high") == gauge(two, "too_high") == 0
    looked(one)
    looked(two)
    assert gauge(one, "too_high") == gauge(two, "too_high") == 1
    assert gauge(one, "shifted") == 0
    active(one, temperature=2.0)
    assert gauge(one, "too_high") == 0


def gauge(service, test):
    """What the gateway tells Prometheus of this test."""
    found = re.findall(
        rf'trueodds_calibrators_alerted{{model="aligned".*test="{test}"}} (\S+)',
        service.app.metrics.node().decode(),
    )
    return sum(map(float, found))


def test_a_tenant_s_calibrator_is_watched_and_told_to_the_tenant_alone(start_service, looked):
    service = start_service()
    scope = Scope("aligned", "3f2a", "", "paren", 2, 2, "acme")
    theirs = Calibrator(scope=scope, method="constant", parameters={"temperature": (0.5,)})
    with acting_for(Caller("acme", "key:theirs", frozenset(Permission))):
        service.app._store.put(theirs, activate=True)
    service.run(service.app._calibrators.refresh())
    message = SimpleNamespace(
        name=theirs.name,
        scope=pb.Scope(model_revision="3f2a", reading="paren", format_version=2, options=2),
    )
    tell(service, message, share=0.5, count=100, tenant="acme")
    assert looked(service) == [], "which are the tests that the tenant without a name sees"
    assert gauge(service, "too_high") == 1
    tell(service, message, share=0.5, count=400, tenant="acme", seed=4)
    service.run(service.app._checks._proposals.propose())
    store = service.app._alerts.store
    with acting_for(Caller("acme", "key:theirs", frozenset(Permission))):
        [first, *_] = store.page("aligned", theirs.id, page_size=9).alerts
        assert service.app._store.get("aligned", first.proposal.proposed).scope == scope


def test_without_alerts_nobody_looks(start_service, monkeypatch):
    monkeypatch.setattr(alerts_module.Alerts, "look", lambda _: pytest.fail("nobody asked for it"))
    service = start_service(alerts=None, audit={"keep_days": None})
    assert len(service.app._background) == 2


def test_the_promises_are_those_of_the_contract():
    reasons_to_look = [each for each in Promise if not each.is_broken]
    assert reasons_to_look == [Promise.SHIFTED, Promise.DISAGREES]


def _record(service, calibrator):
    _, _, _, name = calibrator.name.split("/")
    return service.run(service.app._calibrators.get("aligned", name))
