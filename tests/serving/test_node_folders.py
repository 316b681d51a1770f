"""On a cluster, the start says on which node which folder is missing, or is another one."""

import shutil

import pytest

from trueodds_demo.service import MODELS
from trueodds_service.config import ModelSettings
from trueodds_service.errors import ConfigError
from trueodds_service.revision import model_revision
from trueodds_service.serving import node_folders
from trueodds_service.serving.node_folders import Found, look

BASE, ALIGNED = MODELS / "base", MODELS / "aligned"


def model(name, weights, **settings):
    return ModelSettings.model_validate({"name": name, "weights": weights, **settings})


def test_a_folder_that_one_node_lacks_is_told_with_the_node(tmp_path):
    models = [model("one", BASE), model("two", tmp_path / "absent")]

    def asked(told):
        assert told == models
        return {"10.0.0.1": look([models[0]]), "10.0.0.2": look(told)}

    with pytest.raises(ConfigError) as caught:
        node_folders.check(models, asked)
    assert f"node 10.0.0.2: {tmp_path / 'absent'}: holds no weights" in caught.value.message
    assert "10.0.0.1" not in caught.value.message


def test_a_folder_with_other_content_is_told_with_each_node(tmp_path):
    """As large as the right one, so that it would be loaded."""
    other = shutil.copytree(BASE, tmp_path / "base")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    models = [model("one", BASE), model("two", ALIGNED)]
    there = [model("one", other), model("two", ALIGNED)]
    with pytest.raises(ConfigError) as caught:
        node_folders.check(models, lambda _: {"10.0.0.2": look(there), "10.0.0.1": look(models)})
    assert caught.value.message.splitlines() == [
        "weights have to be the same on each node",
        f"  model one: node 10.0.0.1 has {model_revision(BASE)}, "
        f"node 10.0.0.2 has {model_revision(other)}",
    ]


def test_what_each_node_fetches_by_itself_is_not_looked_for():
    assert look([model("one", "org/name@main")]) == Found()
    assert look([model("one", "org/name@main", adapter="/absent")]).wrong


def test_folders_that_are_there_and_the_same_are_right():
    models = [model("one", BASE), model("two", ALIGNED)]
    node_folders.check(models, lambda asked: {"10.0.0.1": look(asked), "10.0.0.2": look(asked)})
