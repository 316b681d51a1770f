"""Whether a calibrator still keeps its promise, by the outcomes of its answers."""

import math
from collections.abc import Sequence

from starlette.responses import Response

from trueodds_service.http.console.contract import Fields
from trueodds_service.http.console.drawing import Reliability, Square
from trueodds_service.http.console.listing import get
from trueodds_service.http.console.visit import Visit
from trueodds_service.http.console.words import decimal, percent

# What each test has evidence of, and whether its alarm means that the promise is broken.
_TESTS = {
    "KIND_TOO_HIGH": ("It promises too much", True),
    "KIND_TOO_LOW": ("It promises too little", True),
    "KIND_MISCALIBRATED": ("It is wrong somewhere: too high here, too low there", True),
    "KIND_WORSE_THAN_RAW": ("Raw probabilities now do better", True),
    "KIND_SHIFTED": ("Confidences are not distributed as at first", False),
    "KIND_DISAGREES": ("The teacher disagrees otherwise than at the fit", False),
}
# What an alert's two numbers are.
_EFFECTS = {
    "KIND_WORSE_THAN_RAW": ("Brier score: raw", "calibrated"),
    "KIND_SHIFTED": ("confidence at first", "then"),
    "KIND_DISAGREES": ("teacher disagrees at the fit", "then"),
}
_USUAL = ("said", "right")
_DELIVERIES = {
    "STATE_NONE": "no webhook",
    "STATE_WAITING": "not delivered yet",
    "STATE_DELIVERED": "delivered",
    "STATE_GIVEN_UP": "given up",
}
_PERIODS = (("sinceFirst", "then", "Since the first answer"), ("window", "now", "The newest"))


async def show(visit: Visit) -> Response:
    parameters = visit.request.path_params
    shown = await get(visit.contract, parameters["model"], parameters["id"])
    asked = await visit.contract.ask("CalibrationService/GetDrift", {"name": shown["name"]})
    drift = asked["drift"]
    of = {"model": f"models/{shown['model']}", "calibrator": shown["name"]}
    listed = await visit.contract.ask("CalibrationService/ListAlerts", of)
    alerts = [_alert(each) for each in listed["alerts"]]
    tests = [_shown(each) for each in drift["tests"]]
    return visit.page(
        "drift.html",
        calibrator=shown,
        drift=drift,
        verdict=_verdict(tests, alerts, drift["outcomes"]),
        tests=tests,
        has_evidence=any(each["most"] for each in tests),
        alerts=alerts,
        proposal=next((each["proposal"] for each in alerts if each["proposal"]), None),
        periods=[
            (key, title, drift[name], Reliability(drift[name]["after"]["equalWidth"], Square()))
            for name, key, title in _PERIODS
            if drift.get(name)
        ],
    )


def _shown(test: Fields) -> Fields:
    """A test in words: how far its evidence is on the way to an alarm, as a share, now and ever."""
    says, breaks = _TESTS[test["kind"]]
    needed = -math.log(test["alpha"])
    return {
        "says": says,
        "alarm": test.get("alarm", False),
        "breaks": breaks,
        "at": test["alarmAt"],
        "of": _of(test["kind"]),
        "now": _share(test["logEvidence"], needed),
        "most": _share(test["largestLogEvidence"], needed),
    }


def _alert(alert: Fields) -> Fields:
    """An alert in words, with what JSON left out."""
    says, breaks = _TESTS[alert["test"]]
    expected, observed = _EFFECTS.get(alert["test"], _USUAL)
    numbers = percent if alert["test"] != "KIND_WORSE_THAN_RAW" else decimal
    return {
        "says": says,
        "breaks": breaks,
        "at": alert["createTime"],
        "outcomes": alert["outcomes"],
        "of": _of(alert["test"]),
        "expected": f"{expected} {numbers(alert['expected'])}",
        "observed": f"{observed} {numbers(alert['observed'])}",
        "delivery": _DELIVERIES[alert["delivery"]["state"]],
        "fault": alert["delivery"]["fault"],
        "proposal": alert.get("proposal"),
    }


def _of(kind: str) -> str:
    """What a test counts: some need no truth."""
    return {"KIND_DISAGREES": "question", "KIND_SHIFTED": "answer"}.get(kind, "outcome")


def _share(evidence: float | str, needed: float) -> float:
    """JSON writes infinities as strings, which ``float`` reads."""
    return min(max(float(evidence) / needed, 0.0), 1.0)


def _verdict(tests: Sequence[Fields], alerts: Sequence[Fields], outcomes: int) -> str:
    """Alarms come first: some need no truth, and alerts outlive the outcomes that they came of."""
    alarms = [each for each in tests if each["alarm"]]
    if any(each["breaks"] for each in (*alarms, *alerts)):
        return "It no longer keeps its promise: fit again, from recent questions."
    said = (
        "Nothing speaks against its promise."
        if outcomes
        else "Nobody has told yet what became of its answers."
    )
    return " ".join([said, *(f"{each['says']}: look." for each in alarms)])
