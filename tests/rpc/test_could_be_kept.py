"""What an import may bring: what a fit could have kept, and nothing that breaks when it answers."""

from dataclasses import replace

import pytest
from tests.flows.conftest import OWN_SCOPE

from trueodds_service.rpc.calibration.could_be_kept import check_could_be_kept
from trueodds_service.store import Calibrator, FitRequest, Prior, Provenance, Selection

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
        ({"model": "two words"}, "model has to be"),
        ({"model": "base+"}, "model has to be"),
        ({"model": ""}, "model has to be"),
        ({"tenant": "Acme!"}, "'Acme!' is no name of a tenant"),
        ({"task": "a\nline"}, "task has to be printable"),
        ({"task": "turned \u202eround"}, "task has to be printable"),
        ({"task": " anatomy"}, "space around it"),
        ({"task": "x" * 201}, "task has 201 characters"),
        ({"options": 1}, "one option is no choice"),
        ({"options": 2**40}, "of another type"),
        ({"reading": "paren\x1b[2J"}, "a text that is too long, or cannot be read"),
        ({"revision": "x" * 3000}, "a text that is too long, or cannot be read"),
    ],
)
def test_what_nobody_could_call(names, said):
    with pytest.raises(ValueError, match=said):
        check_could_be_kept(replace(TEMPERATURE, scope=replace(OWN_SCOPE, **names)))


@pytest.mark.parametrize(
    "told",
    [
        {"provenance": Provenance(items="many")},
        {"provenance": Provenance(items=2**40)},
        {"provenance": Provenance(labelled=[1])},
        {"provenance": Provenance(measured_with=(1, 2))},
        {"provenance": Provenance(versions={"vllm": {"of": []}})},
        {"provenance": Provenance(teacher="\ud800")},
        {"provenance": Provenance(prior=Prior("x", 1.0, ()))},
        {"provenance": Provenance(prior=[1])},
        {"selection": Selection("nll", "it is best", ("constant",))},
        {"fallback": 7},
        {"keeps_choice": "x"},
    ],
)
def test_what_nobody_could_be_told_of(told):
    with pytest.raises(ValueError, match=r"of another type|cannot be read"):
        check_could_be_kept(replace(TEMPERATURE, **told))


def test_a_correction_that_this_version_does_not_know():
    with pytest.raises(ValueError, match="'newer' is not a valid Bias"):
        check_could_be_kept(replace(TEMPERATURE, bias_correction="newer"))


@pytest.mark.parametrize("name", ["nightly\n7", "x" * 129, ""])
def test_what_can_be_no_name_of_a_request(name):
    check_could_be_kept(FitRequest("nightly-7", "a hash"))
    with pytest.raises(ValueError, match=r"request_id has to be printable|no name"):
        check_could_be_kept(FitRequest(name, "a hash"))


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("teacher_kl", {}, "does not have the parameters"),
        ("telepathy", {"temperature": (2.0,)}, "its method 'telepathy' is none of this"),
        ("vector", {"weights": (1.0,) * 3, "bias": (0.0,) * 3}, "bias is for 3 options, not 4"),
        ("identity", {"temperature": (1.0,), "log_prior": (0.0,) * 5}, "log_prior is for 5"),
        ("isotonic", {"confidence": (0.5, 0.2), "calibrated": (0.1, 0.2)}, "must ascend"),
        ("constant", {"temperature": (1e-320,)}, "its temperature is not from 0.001 to 1000"),
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
