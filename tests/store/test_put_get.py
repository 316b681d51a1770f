"""What is put comes back, exactly, once, and to nobody else."""

from dataclasses import fields, make_dataclass, replace
from datetime import UTC, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueodds_service.store import (
    CalibratorNotFound,
    Candidate,
    Prior,
    Provenance,
    Selection,
    StoreCorrupt,
    convert,
)


def test_put_then_get(store, make):
    calibrator = make(task="mmlu/anatomy")
    assert store.put(calibrator) == calibrator
    kept = store.get("demo-aligned", calibrator.id)
    assert kept == calibrator
    assert kept.created_at.tzinfo is UTC


def test_putting_the_same_fit_again_returns_the_one_kept(store, make):
    first = store.put(make())
    again = replace(make(), created_at=first.created_at + timedelta(hours=1))
    assert store.put(again) == first
    assert store.list("demo-aligned", page_size=10).calibrators == [first]


positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
names = st.text("abc_é", max_size=4)
finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    temperature=positive,
    metrics=st.dictionaries(names, finite),
    bias=st.lists(finite, max_size=5),
)
def test_numbers_come_back_bit_for_bit(store, make, temperature, metrics, bias):
    parameters = {"temperature": (temperature,), "bias": bias}
    calibrator = replace(make(), parameters=parameters, metrics=metrics)
    store.put(calibrator)
    kept = store.get("demo-aligned", calibrator.id)
    assert kept.parameters["temperature"][0].hex() == temperature.hex()
    assert [each.hex() for each in kept.parameters["bias"]] == [each.hex() for each in bias]
    assert {k: v.hex() for k, v in kept.metrics.items()} == {k: v.hex() for k, v in metrics.items()}


def test_all_that_a_calibrator_tells_comes_back(store, make):
    calibrator = replace(
        make(),
        method="vector",
        parameters={"scale": (1, 2.5), "bias": (-0.5, 0)},
        fallback="temperature: too few items",
        selection=Selection(
            "nll, 5-fold",
            "the least",
            (Candidate("vector", 0.7, 0.01), Candidate("kde", None, None, "few")),
        ),
        keeps_choice=False,
        bias_correction="batch",
        provenance=replace(
            make().provenance,
            labelled=500,
            teacher_reading="text",
            prior=Prior(0.7, 0.2, ("0f", "1f")),
            prompts_hash="ab",
        ),
    )
    store.put(calibrator)
    kept = store.get("demo-aligned", calibrator.id)
    assert kept == calibrator
    assert kept.temperature is None
    assert kept.parameters == {"scale": (1.0, 2.5), "bias": (-0.5, 0.0)}


def test_a_gateway_from_before_reads_what_a_new_one_writes(store, make, monkeypatch):
    """While an upgrade rolls on, one does not know the fields that were added since."""
    known = [each.name for each in fields(Provenance) if "added" not in each.metadata]
    before = make_dataclass("Provenance", [(name, object) for name in known])
    kept = store.put(make(), activate=True)
    monkeypatch.setattr(convert, "_provenance", lambda kept: before(**kept))
    assert store.get("demo-aligned", kept.id).id == kept.id
    assert store.active(kept.scope).id == kept.id


def test_an_unknown_id_is_not_found(store):
    with pytest.raises(CalibratorNotFound, match="models/demo-aligned/calibrators/0123"):
        store.get("demo-aligned", "0123")


def test_a_calibrator_of_another_model_is_not_found(store, make):
    calibrator = store.put(make())
    with pytest.raises(CalibratorNotFound):
        store.get("other", calibrator.id)
    with pytest.raises(CalibratorNotFound):
        store.activate("other", calibrator.id)
    assert store.version() == 0


@pytest.mark.parametrize(
    "change",
    [
        """parameters = '{"temperature": [2.5]}'""",
        """parameters = '{"temperature": [-1]}'""",
        "parameters = '5'",
        "metrics = '[]'",
        "fallback = 'none'",
        "selection = '[]'",
        """provenance = '{"prior": {}}'""",
        "keeps_choice = false",
    ],
)
def test_a_record_altered_behind_the_store_is_never_served(store, behind, make, change):
    calibrator = store.put(make())
    store.activate("demo-aligned", calibrator.id)
    behind(f"UPDATE calibrators SET {change}")  # noqa: S608 – from the list above
    for read in (
        lambda: store.get("demo-aligned", calibrator.id),
        lambda: store.active(calibrator.scope),
    ):
        with pytest.raises(StoreCorrupt, match=calibrator.id):
            read()
    page = store.list("demo-aligned", page_size=1)
    assert page.calibrators == []
    assert [each.id for each in page.damaged] == [calibrator.id]
    snapshot = store.snapshot()
    assert (snapshot.active, snapshot.damaged) == ({}, {calibrator.scope: calibrator.id})
