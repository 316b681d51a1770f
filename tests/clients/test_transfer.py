"""`trueodds calibrators export` and `import`: as an operator sees them."""

import sqlite3

import pytest
import yaml
from typer.testing import CliRunner

from trueodds.cli.main import app
from trueodds_service.store import Calibrator, Scope, SqlCalibratorStore, upgrade


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(app, ["calibrators", *map(str, args)])


@pytest.fixture
def config(tmp_path):
    """A configuration whose store has an active calibrator; its models are not here."""
    path = tmp_path / "serve.yaml"
    model = {"name": "m", "weights": "elsewhere"}
    path.write_text(yaml.safe_dump({"store": "sqlite:///own.sqlite", "models": [model]}))
    url = f"sqlite:///{tmp_path}/own.sqlite"
    upgrade(url)
    store = SqlCalibratorStore(url)
    scope = Scope("m", "r", "", "paren", 1, 4)
    store.put(
        Calibrator(scope=scope, method="constant", parameters={"temperature": (2.0,)}),
        activate=True,
    )
    store.close()
    return path


def test_a_store_travels_to_another_one(run, config, tmp_path, monkeypatch):
    told = run("export", "kept.jsonl", "--config", config)
    assert told.exit_code == 0, told.output
    assert "kept.jsonl: calibrators: 1, activations: 1, requests: 0\nsha256: " in told.stdout
    monkeypatch.setenv("TRUEODDS_STORE", f"sqlite:///{tmp_path}/new.sqlite")
    dry = run("import", "kept.jsonl", "--dry-run")
    assert "would be new: calibrators: 1, activations: 1, requests: 0" in dry.stdout
    assert not (tmp_path / "new.sqlite").exists()
    done = run("import", "kept.jsonl")
    assert "\nnew: calibrators: 1, activations: 1, requests: 0\n" in done.stdout
    again = run("import", "kept.jsonl")
    assert "\nnew: calibrators: 0, activations: 0, requests: 0\n" in again.stdout


def test_what_is_wrong_is_told_and_is_a_status(run, config, tmp_path):
    run("export", "kept.jsonl", "--config", config)
    again = run("export", "kept.jsonl", "--config", config)
    assert (again.exit_code, again.stderr) == (1, "error: kept.jsonl is there already\n")
    (tmp_path / "kept.jsonl").write_text("{}\n")
    damaged = run("import", "kept.jsonl", "--config", config)
    said = "error: kept.jsonl is no whole file of a store\n"
    assert (damaged.exit_code, damaged.stderr) == (1, said)
    nowhere = run("export", "new.jsonl", "--store", "postgresql://me:secret@nowhere.invalid/x")
    assert nowhere.exit_code == 1
    assert "failed to resolve host" in nowhere.stderr
    assert "secret" not in nowhere.stderr
    neither = run("export", "new.jsonl")
    assert neither.stderr == "error: one of --config and --store is needed\n"


def test_a_damaged_record_is_named_and_the_rest_exported(run, config, tmp_path):
    with sqlite3.connect(tmp_path / "own.sqlite") as database:
        [(damaged,)] = database.execute("SELECT id FROM calibrators")
        database.execute("UPDATE calibrators SET method = 'none'")
    told = run("export", "kept.jsonl", "--config", config)
    assert told.exit_code == 3
    assert told.stderr == (
        "damaged, and left out with the history of its scope (the default task): "
        f"models/m/calibrators/{damaged}\n"
    )
    assert "calibrators: 0, activations: 0, requests: 0" in told.stdout
