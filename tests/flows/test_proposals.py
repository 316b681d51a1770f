"""What is proposed in the place of a calibrator that no longer holds, and when it takes over."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.told import active, tell

from trueodds_service.core.metrics.paired import paired_intervals
from trueodds_service.flows import evaluate
from trueodds_service.flows.promises import Answers
from trueodds_service.flows.proposals import Proposals, _refitted
from trueodds_service.flows.receipts import FLOAT
from trueodds_service.store import Calibrator, Scope, audit_log
from trueodds_service.store.outcomes import Kept


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals from fewer draws take less time, and tell the same of differences so large."""
    monkeypatch.setattr(evaluate, "paired_intervals", partial(paired_intervals, resamples=100))


@pytest.fixture
def service(start_service):
    return start_service()


@pytest.fixture
def calibrator(service):
    """It says 0.9 where the model says 0.75, and is right half of the time: an alert."""
    calibrator = active(service)
    tell(service, calibrator, share=0.5, count=100)
    service.run(service.app._alerts.look())
    return calibrator


@pytest.fixture
def propose(service):
    """Makes what is due; what the alerts of the model then tell, the newest."""

    def propose(*, min_outcomes=100, activate=False):
        app = service.app
        proposals = Proposals(
            app._alerts,
            app._calibrators,
            min_outcomes=min_outcomes,
            activate=activate,
            again_seconds=0,
        )
        service.run(proposals.propose())
        page = app._alerts.page("aligned", None, page_size=9, page_token="")
        return service.run(page).alerts[0].proposal

    return propose


def answering(service):
    [found] = service.app._calibrators.answering.values()
    return found


def test_too_few_outcomes_are_told_and_tried_again(service, calibrator, propose):
    found = propose()
    assert found.note == "0 of 100 outcomes since the alert"
    assert found.is_waiting
    tell(service, calibrator, share=0.5, count=60, seed=4)
    assert propose().note == "60 of 100 outcomes since the alert"
    tell(service, calibrator, share=0.5, count=60, seed=5)
    found = propose()
    assert (found.note, found.is_waiting) == ("", False)
    assert (found.fitted, found.held_out) == (60, 60)


def test_it_is_better_and_is_not_activated(service, calibrator, propose):
    tell(service, calibrator, share=0.5, count=400, seed=4)
    found = propose()
    value, low, high = found.differences["brier"]
    assert low <= value <= high < 0
    kept = service.run(service.app._calibrators.get("aligned", found.proposed))
    assert kept.method == "temperature", "what outcomes keep is no teacher"
    assert kept.scope == answering(service).scope
    assert kept.provenance.outcomes_of == calibrator.name.rpartition("/")[2]
    assert (kept.provenance.items, kept.provenance.labelled) == (200, 200)
    assert answering(service).name == calibrator.name
    assert not found.activated


def test_a_better_one_takes_over_where_the_operator_said_so(service, calibrator, propose):
    tell(service, calibrator, share=0.65, count=400, seed=4)
    found = propose(activate=True)
    assert found.activated
    assert answering(service).id == found.proposed
    url = service.app._alerts.store._database._engine.url.render_as_string(hide_password=False)
    *_, fitted, activated = audit_log(url)
    assert [(each.caller, each.action) for each in (fitted, activated)] == [
        ("alerts", "fit"),
        ("alerts", "activate"),
    ]


def test_one_that_is_no_better_does_not_take_over(service, calibrator, propose):
    """What spoke against the calibrator is over: now it is right."""
    tell(service, calibrator, share=0.9, count=400, seed=4)
    found = propose(activate=True)
    _, low, high = found.differences["brier"]
    assert low <= 0 <= high
    assert not found.activated
    assert answering(service).name == calibrator.name


def test_a_degenerate_one_does_not_take_over(service, calibrator, propose):
    """Never right: no temperature says so, but the largest is much better all the same."""
    tell(service, calibrator, share=0.0, count=400, seed=4)
    found = propose(activate=True)
    assert found.differences["brier"][2] < 0
    kept = service.run(service.app._calibrators.get("aligned", found.proposed))
    assert kept.degenerate
    assert answering(service).name == calibrator.name


def test_where_no_more_may_be_kept_it_is_told_and_the_others_have_theirs(
    service, calibrator, propose, monkeypatch
):
    tell(service, calibrator, share=0.5, count=400, seed=4)
    monkeypatch.setattr(service.app._store, "_most", 1)
    found = propose()
    assert "limits.max_calibrators" in found.note
    assert found.is_waiting
    monkeypatch.setattr(service.app._store, "_most", None)
    assert propose().proposed


def test_whom_somebody_has_replaced_needs_no_proposal(service, calibrator, propose):
    other = active(service, temperature=1.5)
    found = propose(activate=True)
    assert found.note == "another calibrator has taken its place"
    assert not found.is_waiting
    assert answering(service).name == other.name


def test_what_another_gateway_has_just_activated_has_its_proposal(service, calibrator, propose):
    held = service.app._calibrators
    held._snapshot = replace(held._snapshot, active={}, version=0)
    assert propose().note == "0 of 100 outcomes since the alert"


def test_what_somebody_activates_meanwhile_holds(service, calibrator, propose, monkeypatch):
    tell(service, calibrator, share=0.65, count=400, seed=4)
    keep, others = service.app._calibrators.keep, []

    async def slow(*args, **kwargs):
        kept = await keep(*args, **kwargs)
        # By another gateway, of which this one does not know yet.
        store = service.app._store
        scope = kept.scope
        other = store.put(
            Calibrator(scope=scope, method="constant", parameters={"temperature": (9.0,)})
        )
        store.activate(scope.model, other.id)
        others.append(other.id)
        return kept

    monkeypatch.setattr(service.app._calibrators, "keep", slow)
    found = propose(activate=True)
    assert not found.activated
    service.run(service.app._calibrators.refresh())
    assert answering(service).id == others[0]


def test_it_goes_by_itself(start_service):
    service = start_service(
        alerts={"check_seconds": 0.1, "proposal": {"min_outcomes": 100, "activate": True}}
    )
    calibrator = active(service)
    tell(service, calibrator, share=0.5, count=100)
    while not service.app._alerts.counts():
        time.sleep(0.02)
    tell(service, calibrator, share=0.6, count=300, seed=4)
    while answering(service).name == calibrator.name:
        time.sleep(0.02)
    assert answering(service).provenance.outcomes_of == calibrator.name.rpartition("/")[2]


# Fits


def kept(rng, count, options=(3,), sharpness=4.0):
    """Outcomes of a model whose logits are so much too large."""
    for place in range(count):
        k = options[place % len(options)]
        logits = rng.normal(size=k)
        truth, said = (np.exp(f * logits) / np.exp(f * logits).sum() for f in (1, sharpness))
        said = said.astype(FLOAT)
        right = int(rng.choice(k, p=truth))
        yield Kept(int(said.argmax()), right, said.tobytes(), said.tobytes(), None, place + 1)


def present(method="teacher_kl", options=3, **how):
    parameters = how.pop("parameters", {"temperature": (1.0,)})
    scope = Scope("aligned", "3f2a", "", "paren", 2, options)
    return Calibrator(scope=scope, method=method, parameters=parameters, **how)


@pytest.mark.parametrize(
    ("method", "refit"),
    [
        ("teacher_kl", "temperature"),
        ("constant", "temperature"),
        ("identity", "temperature"),
        ("temperature", "temperature"),
        ("vector", "vector"),
        ("matrix", "matrix"),
        ("isotonic", "isotonic"),
        ("beta", "beta"),
        ("kde", "kde"),
        ("scaling_binning", "scaling_binning"),
    ],
)
def test_a_calibrator_s_own_method_is_used_where_outcomes_teach_it(method, refit):
    answers = Answers.of(list(kept(np.random.default_rng(1), 400)))
    found = _refitted(present(method), answers)
    assert found.calibrator.method == refit
    assert not found.calibrator.fallback
    assert found.held_out == 200
    assert found.differences["nll"].value < 0


def test_the_temperature_is_that_of_the_outcomes():
    """From what outcomes keep, float32 and no logit, the fit finds what the model was off by."""
    answers = Answers.of(list(kept(np.random.default_rng(2), 2000)))
    assert _refitted(present(), answers).calibrator.temperature == pytest.approx(4.0, rel=0.15)


def test_questions_of_several_numbers_of_options_have_one_temperature():
    rng = np.random.default_rng(3)
    answers = Answers.of(list(kept(rng, 2000, options=(2, 5, 3))))
    found = _refitted(present(options=0), answers)
    assert found.calibrator.temperature == pytest.approx(4.0, rel=0.15)
    assert found.calibrator.scope.options == 0


@pytest.mark.parametrize("bias", ["batch", "contextual"])
def test_a_correction_of_labels_is_made_from_the_answers(bias):
    answers = Answers.of(list(kept(np.random.default_rng(4), 600)))
    parameters = {"temperature": (1.0,), "log_prior": (0.5, 0.0, -0.5)}
    found = _refitted(present(bias_correction=bias, parameters=parameters), answers)
    assert found.calibrator.bias_correction == "batch"
    assert "log_prior" in found.calibrator.parameters


def test_an_option_without_any_probability_is_no_end():
    outcomes = list(kept(np.random.default_rng(5), 200))
    nothing = np.array([1.0, 0.0, 0.0], FLOAT).tobytes()
    outcomes[7] = outcomes[150] = Kept(0, 1, nothing, nothing, None, 8)
    found = _refitted(present(), Answers.of(outcomes))
    assert np.isfinite([each.value for each in found.differences.values()]).all()
