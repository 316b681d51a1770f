"""What lies in deploy/ fits together, as far as shows without Docker, systemd and Kubernetes."""

import configparser
import re
from pathlib import Path

import pytest
import yaml
from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT
from ray.dashboard.http_server_agent import PUBLIC_EXACT_PATHS

from trueodds_service.config import Settings, read
from trueodds_service.serving import running

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
RAY_SERVICE, *OTHERS = yaml.safe_load_all((DEPLOY / "cluster" / "rayservice.yaml").read_text())
DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
SPEC = RAY_SERVICE["spec"]["rayClusterConfig"]
GROUPS = [SPEC["headGroupSpec"], *SPEC["workerGroupSpecs"]]


def port(address):
    return int(address.rpartition(":")[2])


def settings(path) -> Settings:
    return read(DEPLOY / path)[0]


@pytest.mark.parametrize(
    "path", ["production/serve.yaml", "compose/serve.yaml", "cluster/serve.yaml", "demo/serve.yaml"]
)
def test_every_configuration_is_a_right_one(path):
    found, problems = read(DEPLOY / path)
    assert found.models
    assert all("weights" in each or "adapter" in each for each in problems), "folders may be away"


# Dockerfiles


def instructions(path):
    """Each instruction and its words, lines put together."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
class TestDockerfile:
    def test_what_it_copies_is_there_and_is_sent_to_the_builder(self, path):
        _, *exceptions = (ROOT / ".dockerignore").read_text().split()
        sent = [each.removeprefix("!") for each in exceptions if each.startswith("!")]
        for name, words in instructions(path):
            if name == "COPY" and not words.startswith("--from"):
                *sources, _ = words.split()
                for source in sources:
                    assert (ROOT / source).exists(), source
                    assert any(Path(source).is_relative_to(each) for each in sent), source

    def test_each_requirement_list_that_it_installs_was_copied_and_is_hashed(self, path):
        copied = {
            word for name, words in instructions(path) if name == "COPY" for word in words.split()
        }
        lists = re.findall(r"-r (\S+)", path.read_text())
        assert lists
        assert {*lists} <= {*copied}
        assert path.read_text().count("--require-hashes") == len(lists)

    def test_it_runs_as_nobody_special(self, path):
        [user] = [words for name, words in instructions(path) if name == "USER"]
        assert int(user) >= 10_000

    def test_it_serves_what_is_mounted_there(self, path):
        said = dict(each for each in instructions(path))
        assert said["ENTRYPOINT"] == '["trueodds"]'
        assert said["CMD"] == '["serve", "/etc/trueodds/serve.yaml"]'
        ports = {int(each) for each in said["EXPOSE"].split()}
        found = settings("compose/serve.yaml")
        assert ports == {port(each) for each in (found.listen, found.http, found.metrics)}

    def test_its_python_is_that_of_the_locks(self, path):
        images = [words.split()[0] for name, words in instructions(path) if name == "FROM"]
        assert {*images} == {"python:3.11-slim-bookworm"}
        assert "--python-version 3.11 " in (ROOT / "requirements" / "lock.sh").read_text()


# Compose


def test_what_compose_mounts_and_builds_is_there():
    folder = DEPLOY / "compose"
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            # Of ${NAME:-default}:target the default.
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).partition(":")[0]
            there = (
                (folder / source).exists() if "." in source[:2] else source in COMPOSE["volumes"]
            )
            assert there, volume
    built = COMPOSE["services"]["trueodds"]["build"]
    assert (folder / built["context"]).resolve() == ROOT
    assert (ROOT / built["dockerfile"]).exists()
    cuda = yaml.safe_load((folder / "cuda.yaml").read_text())["services"]["trueodds"]
    assert (ROOT / cuda["build"]["dockerfile"]).exists()


def test_compose_opens_its_ports_to_this_machine_alone():
    published = [
        each for service in COMPOSE["services"].values() for each in service.get("ports", ())
    ]
    assert published
    assert all(each.startswith("127.0.0.1:") for each in published)


def test_compose_s_ports_are_those_of_the_service():
    found, service = settings("compose/serve.yaml"), COMPOSE["services"]["trueodds"]
    assert [port(each) for each in service["ports"]] == [port(found.listen), port(found.http)]
    assert f"127.0.0.1:{port(found.http)}/readyz" in service["healthcheck"]["test"][-1]
    scraped = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())
    [job] = scraped["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"trueodds:{port(found.metrics)}"]}]
    assert "@db/" in found.store
    assert "db" in COMPOSE["services"]


def test_compose_s_prometheus_and_grafana_read_what_is_mounted():
    services = COMPOSE["services"]
    targets = {
        name: [volume.split(":")[1] for volume in services[name]["volumes"]]
        for name in ("prometheus", "grafana")
    }
    scraped = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())
    assert {*scraped["rule_files"]} <= {*targets["prometheus"]}
    provided = DEPLOY / "compose" / "grafana" / "provisioning" / "dashboards" / "trueodds.yaml"
    [provider] = yaml.safe_load(provided.read_text())["providers"]
    folder = Path(provider["options"]["path"])
    assert any(Path(each).parent == folder for each in targets["grafana"])


def test_compose_s_models_are_those_of_its_folder():
    folder = DEPLOY / "demo" / "trueodds_demo" / "models"
    for model in settings("compose/serve.yaml").models:
        assert (folder / model.weights.relative_to("/models") / "config.json").exists()


def test_compose_holds_no_password_and_names_each_version():
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    for line in re.findall(r"^\s+\w*PASSWORD\w*: (.*)$", text, re.MULTILINE):
        assert re.fullmatch(r"\$\{TRUEODDS_\w+:\?.*\}", line), line
    for name, service in COMPOSE["services"].items():
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name


def test_the_service_has_a_read_only_root_in_compose():
    service = COMPOSE["services"]["trueodds"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


# systemd


def test_the_unit_serves_the_file_that_it_checks():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "systemd" / "trueodds.service")
    service = unit["Service"]
    *_, verb, path = service["ExecStart"].split()
    assert (verb, path) == ("serve", "/etc/trueodds/serve.yaml")
    assert service["ExecStartPre"].endswith(f"check {path}")
    assert service["ExecReload"] == "/bin/kill -USR1 $MAINPID"
    assert service["User"] == "trueodds"
    assert {service[name] for name in ("NoNewPrivileges", "ProtectHome")} == {"yes"}
    assert service["ProtectSystem"] == "strict"
    # Ray's processes are not to speak for the service, nor is a slow start its end.
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["TimeoutStartSec"] == "infinity"
    # The service is to give up first where gateways are silent: it says why, and stops in order.
    assert int(service["WatchdogSec"]) / 2 > running._GONE_SECONDS
    # Longer than the gateways and then the engines wait for requests under way.
    assert int(service["TimeoutStopSec"]) > 2 * 20


def test_the_unit_is_for_the_installation_that_is_described():
    unit = (DEPLOY / "systemd" / "trueodds.service").read_text()
    title = "On one machine, with systemd"
    assert f'docs/operations.md, "{title}"' in unit
    _, _, section = (ROOT / "docs" / "operations.md").read_text().partition(f"## {title}\n")
    section = section.partition("\n## ")[0]

    def said(pattern):
        [found] = re.findall(pattern, unit, re.MULTILINE)
        return found

    venv, config = said(r"^ExecStart=(\S+)/bin/trueodds serve (\S+)$")
    state, cache = (
        f"/var/{kind}/{said(f'^{name}Directory=(.*)$')}"
        for kind, name in (("lib", "State"), ("cache", "Cache"))
    )
    user = said("^User=(.*)$")
    assert {f"cd {Path(venv).parent}", f"python3.11 -m venv {Path(venv).name}"} <= {
        *section.splitlines()
    }
    assert re.search(f"^useradd --system --home-dir {state} .* {user}$", section, re.MULTILINE)
    assert f"install -d -g {user} -m 750 {Path(config).parent}\n" in section
    assert all(f"`{path}`" in section for path in (state, cache, said("^EnvironmentFile=-(.*)$")))
    installed = dict(re.findall(r"^install .* (deploy/\S+) (\S+)", section, re.MULTILINE))
    assert installed == {
        "deploy/production/serve.yaml": config,
        "deploy/systemd/trueodds.service": "/etc/systemd/system/",
    }
    named = {*installed, *re.findall(r"requirements/[\w-]+\.txt", section)}
    assert all((ROOT / path).exists() for path in named)


# KubeRay


def containers(group):
    return group["template"]["spec"]["containers"]


def test_ray_asks_for_a_token_and_is_of_the_locked_version():
    assert SPEC["authOptions"] == {"mode": "token"}
    for name in ("cpu.txt", "cuda.txt"):
        assert f"\nray=={SPEC['rayVersion']} " in (ROOT / "requirements" / name).read_text()


def test_every_pod_is_of_one_kind_and_locked_up():
    for group in GROUPS:
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        [container] = containers(group)
        assert container["image"] == "IMAGE", "to be replaced everywhere"
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        user = str(pod["securityContext"]["runAsUser"])
        assert all(f"USER {user}\n" in path.read_text() for path in DOCKERFILES)


def test_what_the_manifest_s_service_reads_is_mounted():
    found = settings("cluster/serve.yaml")
    paths = [*(model.weights for model in found.models), found.tls.cert, found.tls.client_ca]
    for group in GROUPS:
        [container] = containers(group)
        mounts = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
        assert all(any(path.is_relative_to(mount) for mount in mounts) for path in paths)


def test_the_manifest_s_ports_are_those_of_the_service():
    found = settings("cluster/serve.yaml")
    wanted = {"serve": port(found.listen), "metrics": port(found.metrics)}
    # Without them KubeRay finds neither Ray's table of nodes nor the dashboard that it tells what
    # to serve.
    of_ray = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}
    for group in GROUPS:
        [container] = containers(group)
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert ports == (wanted | of_ray if group is SPEC["headGroupSpec"] else wanted)
    [exposed] = RAY_SERVICE["spec"]["serveService"]["spec"]["ports"]
    assert exposed == {"name": "serve", "port": wanted["serve"]}
    _, policy = OTHERS
    named = {each["port"] for rule in policy["spec"]["ingress"] for each in rule.get("ports", ())}
    assert named == wanted.keys()


def test_a_machine_is_ready_by_its_gateway_and_restarted_for_ray_alone():
    ray = {"path": "/api/healthz", "port": DEFAULT_DASHBOARD_AGENT_LISTEN_PORT}
    (head,), *workers = map(containers, GROUPS)
    assert head["readinessProbe"]["httpGet"] == ray, "nothing is served before the head is ready"
    assert RAY_SERVICE["spec"]["excludeHeadPodFromServeSvc"]
    assert all(each["readinessProbe"]["tcpSocket"] == {"port": "serve"} for [each] in workers)
    for [container] in map(containers, GROUPS):
        assert container["livenessProbe"]["httpGet"] == ray
        assert ray["path"] in PUBLIC_EXACT_PATHS, "Ray asks for no token there"


def test_the_manifest_s_objects_are_about_its_pods():
    labels = {"app": "trueodds"}
    for group in GROUPS:
        assert group["template"]["metadata"]["labels"] == labels
    kinds = {each["kind"]: each for each in OTHERS}
    budget = kinds["PodDisruptionBudget"]["spec"]
    assert budget["selector"]["matchLabels"] == labels
    pods = 1 + sum(group["replicas"] for group in SPEC["workerGroupSpecs"])
    # Not maxUnavailable, for which Kubernetes would ask a RayCluster how large it is.
    assert {**budget, "selector": None} == {"minAvailable": pods - 1, "selector": None}
    assert kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_the_manifest_s_machines_hold_every_engine_at_most():
    assert not SPEC["enableInTreeAutoscaling"]
    for group in SPEC["workerGroupSpecs"]:
        assert group["minReplicas"] == group["replicas"] == group["maxReplicas"]
    most = sum(
        model.engine.gpus * model.engine.replicas.max
        for model in settings("cluster/serve.yaml").models
    )
    gpus = sum(
        group["minReplicas"] * containers(group)[0]["resources"]["limits"]["nvidia.com/gpu"]
        for group in SPEC["workerGroupSpecs"]
    )
    assert gpus >= most


def test_the_manifest_s_secrets_are_named_and_not_in_it():
    for group in GROUPS:
        [container] = containers(group)
        assert container["envFrom"] == [{"secretRef": {"name": "trueodds-store"}}]
    assert "://trueodds@" in settings("cluster/serve.yaml").store, "a user, and no password"
