"""ListAlerts: what was found against calibrators, page by page, and to whom it belongs."""

import grpc
import pytest
from tests.told import active, tell

from trueodds.v1 import calibration_pb2 as pb

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
TEST, STATE = pb.SequentialTest, pb.AlertDelivery


@pytest.fixture(scope="module")
def alerted(weights, run, tmp_path_factory):
    """A service, and two calibrators whose answers are right half as often as they say."""
    from tests.conftest import _serving  # noqa: PLC0415 (as the other suites' services)

    store = tmp_path_factory.mktemp("alerts") / "store.sqlite"
    settings = {"alerts": {"proposal": {"min_outcomes": 100}}}
    with _serving(weights, run, store, **settings) as service:
        service.calibrators = [active(service, task) for task in ("birds", "fish")]
        for seed, each in enumerate(service.calibrators):
            tell(service, each, share=0.5, count=100, seed=seed)
        run(service.app._alerts.look())
        tell(service, service.calibrators[0], share=0.5, count=200, seed=9)
        run(one_round(service))
        yield service


async def one_round(service):
    """Each proposal is tried once: afterwards the next try of one with too few is a minute off."""
    await service.app._checks._proposals.propose()


def listed(service, **fields):
    request = pb.ListAlertsRequest(model="models/aligned", **fields)
    return service.calibration.ListAlerts(request)


def test_an_alert_tells_what_was_found(alerted):
    birds, fish = alerted.calibrators
    found = listed(alerted).alerts
    assert {each.calibrator for each in found} == {birds.name, fish.name}
    [alert] = [each for each in listed(alerted, calibrator=birds.name).alerts
               if each.test == TEST.KIND_TOO_HIGH]  # fmt: skip
    assert alert.scope == birds.scope
    assert alert.alpha == 0.01
    assert alert.log_evidence >= 4.6
    assert 0 < alert.outcomes <= 100
    assert alert.expected == pytest.approx(0.9)
    assert 0.35 < alert.observed < 0.65
    assert alert.create_time.seconds
    assert alert.delivery.state == STATE.STATE_NONE


def test_a_proposal_is_stored_and_not_active(alerted):
    birds, fish = alerted.calibrators
    [*alerts] = listed(alerted, calibrator=birds.name).alerts
    proposal = alerts[0].proposal
    assert all(each.proposal == proposal for each in alerts)
    assert (proposal.fitted, proposal.held_out) == (100, 100)
    assert proposal.differences["brier"].upper < 0
    assert {*proposal.differences} == {"accuracy", "brier", "ece", "nll"}
    assert not proposal.activated
    request = pb.GetCalibratorRequest(name=proposal.calibrator)
    proposed = alerted.calibration.GetCalibrator(request).calibrator
    assert not proposed.active
    assert proposed.provenance.outcomes_of == birds.name
    waiting = listed(alerted, calibrator=fish.name).alerts[0].proposal
    assert waiting.note == "0 of 100 outcomes since the alert"
    assert (waiting.waiting, waiting.calibrator) == (True, "")


def test_pages_hold_each_alert_once(alerted):
    everyone = [each.id for each in listed(alerted).alerts]
    seen, token = [], ""
    while True:
        page = listed(alerted, page_size=1, page_token=token)
        seen += [each.id for each in page.alerts]
        token = page.next_page_token
        if not token:
            break
    assert seen == everyone
    assert len({*seen}) == len(seen) > 3


def test_what_is_no_request_for_alerts_is_refused(alerted, refused):
    with refused(INVALID, field="page_size"):
        listed(alerted, page_size=-1)
    with refused(INVALID, field="page_token"):
        listed(alerted, page_token="none")  # noqa: S106 (of a page)
    with refused(INVALID, field="calibrator"):
        listed(alerted, calibrator=alerted.calibrators[0].name.replace("aligned", "base"))
    with refused(NOT_FOUND):
        listed(alerted, calibrator=f"models/aligned/calibrators/{'0' * 16}")
    with refused(NOT_FOUND):
        alerted.calibration.ListAlerts(pb.ListAlertsRequest(model="models/none"))


def test_a_model_without_alerts(alerted):
    assert not alerted.calibration.ListAlerts(pb.ListAlertsRequest(model="models/base")).alerts
