"""What a changed configuration replaces, and what it leaves alone."""

import os
import shutil

import pytest
from ray import serve

from trueodds_service.config import ModelDecisionSettings, ModelSettings, Settings
from trueodds_service.serving.versions import of_engine, of_gateway, versioned


@pytest.fixture
def folder(tmp_path, weights):
    return shutil.copytree(weights, tmp_path / "weights")


@pytest.fixture
def model(folder):
    return ModelSettings(name="model", weights=folder, engine={"backend": "fake"})


def changed(model, **engine):
    return model.model_copy(update={"engine": model.engine.model_copy(update=engine)})


def rewritten(path):
    """The same bytes, written anew."""
    path.write_bytes(path.read_bytes())
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def test_an_engine_is_another_one_by_its_settings_files_and_adapters(model, folder, tmp_path):
    adapter = ModelSettings(name="tuned", weights=folder, adapter=tmp_path, base="model")
    versions = [
        of_engine(model, []),
        of_engine(changed(model, sharpness=2.0), []),
        of_engine(model, [adapter]),
    ]
    rewritten(folder / "config.json")
    versions.append(of_engine(model, []))
    (tmp_path / "adapter_config.json").write_text("{}")
    versions.append(of_engine(model, [adapter]))
    assert len({*versions}) == len(versions)
    assert of_engine(model, [adapter]) == versions[-1]


def test_what_an_engine_does_not_know_changes_none(model):
    """How many there are, who is taught, and when an answer is refused."""
    own = {"teacher": "base", "decisions": ModelDecisionSettings(min_option_mass=0.5)}
    other = changed(model, replicas={"min": 2, "max": 3}).model_copy(update=own)
    assert of_engine(other, []) == of_engine(model, [])


def test_a_gateway_is_another_one_by_any_setting_and_file(model, folder):
    settings = Settings(listen="127.0.0.1:0", store="sqlite://", models=[model])
    other = settings.model_copy(update={"require_calibrated": True})
    versions = [of_gateway(settings), of_gateway(other)]
    rewritten(folder / "config.json")
    versions.append(of_gateway(settings))
    assert len({*versions}) == 3


def test_folders_of_other_nodes_have_no_files_here(model):
    elsewhere = model.model_copy(update={"weights": model.weights / "elsewhere"})
    assert of_engine(elsewhere, []) == of_engine(elsewhere, [])


def test_serve_is_told_the_version():
    @serve.deployment
    class Any:
        pass

    assert versioned(Any, "1").version == "1"
