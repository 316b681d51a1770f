"""A calibrator's id stands for its content, all of it and nothing else."""

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from trueodds_service.store import Candidate, Prior, Provenance, Scope, Selection

SELECTION = Selection("nll", "the least", (Candidate("vector", 0.7, 0.01),))
SCOPE_CHANGES = {
    "model": "other",
    "revision": "other",
    "task": "other",
    "reading": "letter",
    "format_version": 2,
    "options": 5,
    "tenant": "other",
}
PROVENANCE_CHANGES = {
    "teacher": "other",
    "teacher_revision": "other",
    "items": 513,
    "data_hash": "other",
    "versions": {"trueodds": "0.1.1"},
    "labelled": 1,
    "teacher_reading": "text",
    "prior": Prior(0.0, 1.0, ("0f",)),
    "prompts_hash": "other",
    "outcomes_of": "0f",
    "measured_with": ("models/small/calibrators/0f",),
}
CHANGES = {
    "scope": [{key: value} for key, value in SCOPE_CHANGES.items()],
    "method": ["temperature"],
    "parameters": [
        {"temperature": (1.7000000000000002,)},
        {"temperature": (1.7,), "bias": ()},
        {"t": (1.7,)},
    ],
    "at_bound": [True],
    "undetermined": [True],
    "provenance": [{key: value} for key, value in PROVENANCE_CHANGES.items()],
    "fallback": ["temperature: too few items"],
    "selection": [SELECTION, replace(SELECTION, candidates=())],
    "keeps_choice": [False],
    "bias_correction": ["batch"],
    "metrics": [{}, {"nll_before": 1.25}, {"nll_before": 1.25, "nll_after": 0.3}],
}


def test_equal_content_has_an_equal_id_whenever_it_was_made(make):
    one = make()
    later = replace(make(), created_at=one.created_at + timedelta(days=1))
    assert later.id == one.id
    assert one.name == f"models/demo-aligned/calibrators/{one.id}"


def test_the_id_of_a_known_content_stays_what_it_was(make):
    # Stored names depend on it: a change of the recipe would orphan every calibrator.
    assert make().id == "0999c79f4d767db0"


def test_the_changes_cover_every_field(make):
    assert set(CHANGES) == {each.name for each in fields(make())} - {"id", "created_at"}
    assert set(SCOPE_CHANGES) == {each.name for each in fields(Scope)}
    assert set(PROVENANCE_CHANGES) == {each.name for each in fields(Provenance)}


def test_any_change_of_content_changes_the_id(make):
    original = make()
    changed = {original.id}
    total = 1
    for name, values in CHANGES.items():
        for value in values:
            nested = name in ("scope", "provenance")
            new = replace(getattr(original, name), **value) if nested else value
            changed.add(replace(original, **{name: new}).id)
            total += 1
    assert len(changed) == total


def test_order_and_number_type_are_not_content(make):
    backwards = dict(sorted(make().metrics.items()))
    assert list(backwards) != list(make().metrics)
    assert replace(make(), metrics=backwards).id == make().id
    assert make(2).id == make(2.0).id
    assert replace(make(), metrics={"n": 1}).id == replace(make(), metrics={"n": 1.0}).id


def test_a_calibrator_cannot_change(make):
    calibrator = make()
    given = {"nll": 1.0}
    copy = replace(calibrator, metrics=given)
    given["nll"] = 2.0
    assert copy.metrics == {"nll": 1.0}
    with pytest.raises(FrozenInstanceError):
        calibrator.method = "constant"
    with pytest.raises(TypeError):
        calibrator.parameters["temperature"] = (2.0,)
    with pytest.raises(TypeError):
        calibrator.metrics["nll"] = 0.0
    with pytest.raises(TypeError):
        calibrator.provenance.versions["trueodds"] = "9"


def test_a_calibrator_travels_to_another_process_and_can_be_a_key(make):
    copy = pickle.loads(pickle.dumps(make()))  # noqa: S301 – its own bytes
    assert copy == make()
    assert len({copy, make()}) == 1


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_cannot_be_applied_is_refused(make, temperature):
    with pytest.raises(ValueError, match="temperature"):
        make(temperature)


def test_a_calibrator_that_ends_in_one_temperature_tells_it(make):
    assert make(1.5).temperature == 1.5
    debiased = {"temperature": (1.5,), "log_prior": (0.1, -0.1)}
    assert replace(make(), parameters=debiased).temperature == 1.5
    assert replace(make(), parameters={**debiased, "bins": (0.5,)}).temperature is None
    assert replace(make(), parameters={"scale": (1.5,)}).temperature is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_cannot_be_kept_are_refused_by_name(make, value):
    with pytest.raises(ValueError, match="scale"):
        replace(make(), parameters={"scale": (1.0, value), "bias": (0.0,)})


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_metrics_that_cannot_be_kept_are_refused_by_name(make, value):
    with pytest.raises(ValueError, match="ece"):
        replace(make(), metrics={"ece": value, "nll": 1.0})


def test_created_at_is_kept_in_utc_and_needs_a_zone(make):
    paris = timezone(timedelta(hours=2))
    moved = replace(make(), created_at=datetime(2025, 3, 1, 14, tzinfo=paris))
    assert moved.created_at == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert moved.created_at.tzinfo is UTC
    with pytest.raises(ValueError, match="time zone"):
        replace(make(), created_at=datetime(2025, 3, 1))
