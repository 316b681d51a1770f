"""What an import may bring: what a fit could have kept, and nothing that breaks when it answers."""

from dataclasses import replace

import pytest
from tests.flows.conftest import OWN_SCOPE

from trueodds_service.flows.could_be_kept import check_could_be_kept
from trueodds_service.store import Calibrator, Provenance

TEMPERATURE = Calibrator(scope=OWN_SCOPE, method="teacher_kl", parameters={"temperature": (2.0,)})
CASCADE = Calibrator(
    scope=replace(OWN_SCOPE, model="base+aligned"),
    method="cascade",
    parameters={"min_confidence": (0.7,), "target_risk": (0.1,)},
    provenance=Provenance(measured_with=("models/base/calibrators/0f",)),
)


@pytest.mark.parametrize("calibrator", [TEMPERATURE, CASCADE])
@pytest.mark.parametrize("names", [{}, {"tenant": "acme"}, {"task": "\u0915\u094d\u200d\u0937"}])
def test_what_a_fit_keeps(calibrator, names):
    check_could_be_kept(replace(calibrator, scope=replace(calibrator.scope, **names)))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"model": "two words"}, "'two words' is no name of a model"),
        ({"model": "base+"}, "no name of a model"),
        ({"model": ""}, "no name of a model"),
        ({"tenant": "Acme!"}, "'Acme!' is no name of a tenant"),
        ({"task": "a\nline"}, r"task 'a\\nline' is not printable"),
        ({"task": "turned \u202eround"}, "not printable"),
        ({"task": " anatomy"}, "space around it"),
    ],
)
def test_what_nobody_could_call(names, said):
    with pytest.raises(ValueError, match=said):
        check_could_be_kept(replace(TEMPERATURE, scope=replace(OWN_SCOPE, **names)))


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("teacher_kl", {}, "does not have the parameters"),
        ("telepathy", {"temperature": (2.0,)}, "telepathy"),
        ("vector", {"weights": (1.0,) * 3, "bias": (0.0,) * 3}, "bias is for 3 options, not 4"),
        ("identity", {"temperature": (1.0,), "log_prior": (0.0,) * 5}, "log_prior is for 5"),
        ("isotonic", {"confidence": (0.5, 0.2), "calibrated": (0.1, 0.2)}, "must ascend"),
        ("cascade", {"min_confidence": (0.7,), "target_risk": (0.1,)}, "1 thresholds"),
    ],
)
def test_what_could_not_be_applied(method, parameters, said):
    with pytest.raises(ValueError, match=said):
        check_could_be_kept(replace(TEMPERATURE, method=method, parameters=parameters))


@pytest.mark.parametrize(
    "parameters",
    [
        {"target_risk": (0.1,)},
        {"min_confidence": (0.7, 0.8), "target_risk": (0.1,)},
        {"min_confidence": (0.7,)},
        {"min_confidence": (0.7,), "target_risk": (1.0,)},
        {"min_confidence": (0.7,), "target_risk": (0.1, 0.2)},
        {"min_confidence": (0.7,), "target_fame": (0.1,)},
        {"min_confidence": (0.7,), "target_risk": (0.1,), "target_passed_on": (0.1,)},
    ],
)
def test_a_cascade_that_promises_nothing_clear(parameters):
    with pytest.raises(ValueError, match=r"thresholds|does not promise"):
        check_could_be_kept(replace(CASCADE, parameters=parameters))


async def test_what_is_stored_for_another_number_of_options_is_damaged_and_said_so(house):
    """Whoever wrote it: a caller is told what is wrong, and not that the service has failed."""
    wrong = {"weights": (1.0,) * 3, "bias": (0.0,) * 3}
    kept = house.store.put(replace(TEMPERATURE, method="vector", parameters=wrong), activate=True)
    await house.calibrators.refresh()
    refusal = house.calibrators.applied(kept)
    assert refusal.reason == "CALIBRATOR_DAMAGED"
