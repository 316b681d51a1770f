"""Weights by their name on the hub: found, fetched whole, and taken from the cache without it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from tests.stand_in_hub import Hub, hub

from trueodds_service import config
from trueodds_service.errors import ConfigError
from trueodds_service.hub import HubName, described, fetch, hub_name, pin
from trueodds_service.revision import model_revision
from trueodds_service.serving.checks import look
from trueodds_service.serving.weights import all_at_hand, pinned

NAME = HubName("acme/small", "main")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def folder(tmp_path: Path, weights: Path) -> Path:
    """What is on the hub: a model, and what a repository has besides."""
    folder = shutil.copytree(weights, tmp_path / "small")
    (folder / "README.md").write_text("how it was made")
    (folder / "pytorch_model.bin").write_bytes(b"the same once more")
    (folder / "original").mkdir()
    (folder / "original" / "params.json").write_text("{}")
    return folder


@pytest.fixture
def server(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    # huggingface_hub reads the environment once, when it is imported.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub({"acme/small": folder}) as server:
        ask_at(server.url, monkeypatch)
        yield server


def ask_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    files = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        ("acme/small@main", ("acme/small", "main")),
        ("acme/small-8B.v2@refs/pr/1", ("acme/small-8B.v2", "refs/pr/1")),
        ("./acme/small@main", ("acme/small", "main")),
        ("acme/small", None),
        ("small@main", None),
        ("../acme/small@main", None),
        ("/models/acme/small@main", None),
    ],
)
def test_a_name_has_an_organisation_and_a_revision(weights, name):
    assert hub_name(Path(weights)) == name


def test_what_is_fetched_is_the_model_and_nothing_else(server, folder):
    fetched = fetch(NAME)
    assert model_revision(fetched) != model_revision(folder), "which has the weights twice"
    (folder / "pytorch_model.bin").unlink()
    assert model_revision(fetched) == model_revision(folder)
    assert not {"README.md", "pytorch_model.bin", "original/params.json"} & {*server.sent}


def test_a_model_without_safetensors_is_fetched_with_what_it_has(server, folder):
    (folder / "model.safetensors").unlink()
    assert (fetch(NAME) / "pytorch_model.bin").is_file()


def test_a_branch_is_what_it_is_now_and_a_commit_is_for_ever(server, folder):
    first = pin(NAME)
    assert first == HubName("acme/small", server.commit("acme/small"))
    at_first = fetch(first)
    (folder / "config.json").write_text('{"changed": true}')
    assert pin(NAME) != first == pin(first)
    assert fetch(NAME) != at_first
    sent = len(server.sent)
    assert fetch(first) == at_first
    assert len(server.sent) == sent


def test_without_the_hub_it_is_what_the_cache_has(server, monkeypatch):
    here = fetch(NAME)
    ask_at(NOWHERE, monkeypatch)
    assert fetch(NAME) == here
    assert pin(NAME) == HubName("acme/small", here.name)


def test_a_model_is_described_without_its_weights_being_fetched(server, folder):
    weights = (folder / "model.safetensors").stat().st_size
    config, found = described(NAME)
    assert config.read_bytes() == (folder / "config.json").read_bytes()
    assert (found, server.sent) == (weights, ["config.json"])


def test_a_model_is_described_by_the_cache_without_the_hub(server, folder, monkeypatch):
    expected = described(NAME)
    fetch(NAME)
    ask_at(NOWHERE, monkeypatch)
    assert described(NAME) == expected


def test_a_part_of_a_model_is_none(server, monkeypatch):
    (fetch(NAME) / "model.safetensors").unlink()
    ask_at(NOWHERE, monkeypatch)
    with pytest.raises(ConfigError, match="the cache lacks it or a part of it"):
        fetch(NAME)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (HubName("acme/large", "main"), "no such model"),
        (HubName("acme/small", "v3"), "no such revision"),
    ],
)
def test_what_is_not_there_is_told(server, name, why):
    for ask in (pin, fetch):
        with pytest.raises(ConfigError, match=f"{name}: .*{why}"):
            ask(name)


def test_a_token_is_taken_from_the_environment_and_never_told(server, monkeypatch):
    server.token = "hf_secret"  # noqa: S105 (of the stand-in)
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        pin(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ConfigError) as refused:
        fetch(NAME)
    assert "hf_wrong" not in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert (fetch(NAME) / "config.json").is_file()


def test_what_the_disk_says_is_told(server, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(ConfigError, match=r"main: cannot be fetched \(Not a directory"):
        fetch(NAME)


def test_how_far_it_is_is_told(server, folder):
    (folder / "model.safetensors").write_bytes(bytes(2**22))
    told: list[tuple[int, int]] = []
    fetch(NAME, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 2**22


def test_a_configuration_names_it(server, tmp_path):
    path = tmp_path / "serve.yaml"
    entry = {"name": "small", "weights": "acme/small@main", "engine": {"backend": "fake"}}
    path.write_text(yaml.safe_dump({"listen": "127.0.0.1:0", "models": [entry]}))
    settings = config.load(path)
    found = [str(each) for each in look(settings) if "weights" in each.thing]
    assert found == ["model small: weights acme/small@main"]
    assert server.sent == [], "looking is no fetching"

    settings = pinned(settings)
    commit = server.commit("acme/small")
    assert str(settings.models[0].weights) == f"acme/small@{commit}"
    assert all_at_hand(settings).models[0].weights == fetch(NAME)


def test_a_folder_that_looks_like_a_name_is_not_guessed_at(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "acme" / "small@main")
    entry = {"name": "small", "weights": "acme/small@main", "engine": {"backend": "fake"}}
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.safe_dump({"listen": "127.0.0.1:0", "models": [entry]}))
    with pytest.raises(ConfigError, match="named in full"):
        config.load(path)
    entry["weights"] = str(tmp_path / "acme" / "small@main")
    path.write_text(yaml.safe_dump({"listen": "127.0.0.1:0", "models": [entry]}))
    assert config.load(path).models[0].weights == tmp_path / "acme" / "small@main"


def test_one_that_is_not_there_is_found_before_anything_starts(server, tmp_path):
    path = tmp_path / "serve.yaml"
    entry = {"name": "small", "weights": "acme/large@main", "engine": {"backend": "fake"}}
    path.write_text(yaml.safe_dump({"listen": "127.0.0.1:0", "models": [entry]}))
    wrong = [str(each) for each in look(config.load(path)) if each.wrong]
    assert len(wrong) == 1
    assert "no such model" in wrong[0]
