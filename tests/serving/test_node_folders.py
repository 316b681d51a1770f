"""On a cluster, the start says on which node which folder is missing."""

from pathlib import Path

import pytest

from trueodds_demo.service import MODELS
from trueodds_service.config import ModelSettings
from trueodds_service.errors import ConfigError
from trueodds_service.serving import node_folders


def model(name, weights, **settings):
    return ModelSettings.model_validate({"name": name, "weights": weights, **settings})


def test_a_folder_that_one_node_lacks_is_told_with_the_node(tmp_path):
    here, there = MODELS / "base", tmp_path / "absent"

    def asked(folders):
        assert folders == [here, there]
        return {"10.0.0.1": [], "10.0.0.2": node_folders.wrong([there])}

    with pytest.raises(ConfigError) as caught:
        node_folders.check([model("one", here), model("two", there)], asked)
    assert f"node 10.0.0.2: {there}: holds no weights" in caught.value.message
    assert "10.0.0.1" not in caught.value.message


def test_what_each_node_fetches_by_itself_is_not_looked_for():
    asked = []
    on_the_hub = model("one", "org/name@main")
    node_folders.check([on_the_hub], lambda folders: asked.extend(folders) or {"node": []})
    assert asked == []


def test_folders_that_are_there_are_right():
    assert node_folders.wrong([MODELS / "base", Path(MODELS / "aligned")]) == []
