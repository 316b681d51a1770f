"""The configuration as Ray's own tools take it."""

from pathlib import Path

import pytest
import yaml
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve.schema import ServeDeploySchema

from trueodds_service import config
from trueodds_service.errors import ConfigError
from trueodds_service.serving import application, builder, main


@pytest.fixture
def path(tmp_path, weights):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    models = [
        {"name": "base", "weights": str(weights), "engine": {"gpus": 1, "replicas": {"max": 2}}},
        {"name": "tuned", "base": "base", "adapter": "adapter"},
    ]
    content = {
        "listen": "NODE:50051",
        "insecure": True,
        "store": "sqlite:///s.sqlite",
        "models": models,
    }
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def nodes(monkeypatch):
    """The GPUs of the nodes that Ray has; each has every folder."""
    found = []
    monkeypatch.setattr(builder.node_folders, "check", lambda models: None)
    monkeypatch.setattr(
        application.ray,
        "nodes",
        lambda: [{"Alive": True, "Resources": {"GPU": gpus}} for gpus in found],
    )
    return found


def test_what_the_command_prints_builds_the_same_service(path, nodes, capsys, monkeypatch):
    nodes.extend([1, 1])
    assert main.serve_config(path) == 0
    content = yaml.safe_load(capsys.readouterr().out)
    schema = ServeDeploySchema.model_validate(content)
    assert schema.proxy_location == "Disabled"
    [deployed] = schema.applications
    assert deployed.import_path == "trueodds_service.serving.builder:build"
    built = []

    def application_of(settings, sockets):
        built.append((settings, sockets))
        return application.application(settings, sockets)

    monkeypatch.setattr(builder, "application", application_of)
    call_user_app_builder_with_args_if_necessary(builder.build, deployed.args)
    assert built == [(config.load(path), None)]


def test_nodes_that_come_later_are_waited_for(path, nodes, monkeypatch):
    """KubeRay deploys when the first is up, which has no GPU."""
    nodes.append(0)
    monkeypatch.setattr(builder.time, "sleep", lambda _: nodes.append(1))
    assert builder.build(config.load(path))
    assert nodes == [0, 1, 1]


def test_what_the_cluster_has_no_gpus_for_is_refused_by_name(path, nodes, monkeypatch):
    monkeypatch.setattr(builder, "_NODES_SECONDS", -1.0)
    nodes.extend([1, 0])
    with pytest.raises(ConfigError, match="model base: 2 replicas of 1 GPU, 1 GPU is here"):
        builder.build(config.load(path))


def test_folders_that_are_on_the_cluster_only_are_a_warning(path, tmp_path, capsys):
    content = yaml.safe_load(path.read_text())
    content["models"] = [{"name": "far", "weights": "/models/far"}]
    path.write_text(yaml.safe_dump(content))
    assert main.serve_config(path) == 0
    said = capsys.readouterr()
    assert "the weights of 'far' are no folder (/models/far)" in said.err
    [deployed] = yaml.safe_load(said.out)["applications"]
    assert deployed["args"]["models"] == [{"name": "far", "weights": "/models/far"}]


def test_a_wrong_configuration_is_told(tmp_path, capsys):
    (tmp_path / "serve.yaml").write_text("models: []")
    assert main.serve_config(tmp_path / "serve.yaml") == 1
    assert "models: " in capsys.readouterr().err


CLUSTER = Path(__file__).parents[2] / "deploy" / "cluster"


def test_the_example_is_what_the_command_makes_of_its_configuration(capsys):
    assert main.serve_config(CLUSTER / "serve.yaml") == 0
    made = capsys.readouterr().out
    assert (CLUSTER / "serve-config.yaml").read_text() == made
    service, *_ = yaml.safe_load_all((CLUSTER / "rayservice.yaml").read_text())
    inside = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert inside == {**yaml.safe_load(made), "proxy_location": "EveryNode"}
    ServeDeploySchema.model_validate(inside)
