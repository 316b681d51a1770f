"""What lies in deploy/ for Compose and Kubernetes, held against their own schemas."""

import json
from copy import deepcopy
from importlib.resources import files
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import ValidationError
from jsonschema.validators import Draft202012Validator

DEPLOY = Path(__file__).parents[1] / "deploy"
RAY_SERVICE, *OTHERS = yaml.safe_load_all((DEPLOY / "cluster" / "rayservice.yaml").read_text())
# The oldest that operations.md speaks of, and the newest that there are schemas of.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]


# Kubernetes


def groups(service):
    cluster = service["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def pods(service):
    """Their templates, as an object of Kubernetes': KubeRay takes what it takes."""
    return [
        {"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]}
        for group in groups(service)
    ]


def serve_service(service):
    """What callers come by, as an object of Kubernetes'."""
    return {"apiVersion": "v1", "kind": "Service", **service["spec"]["serveService"]}


def check(manifest, version):
    """Raises ValidationError, at unknown fields, too: Kubernetes drops them without a word."""
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_objects_and_the_pods(version):
    for manifest in [*OTHERS, serve_service(RAY_SERVICE), *pods(RAY_SERVICE)]:
        check(manifest, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (["spec", "containers", 0, "livenessProbe"], "period", 10),
        (["spec", "containers", 0, "livenessProbe", "httpGet"], "port", None),
        (["spec", "containers", 0], "securityContexts", {}),
        (["spec", "containers", 0, "resources", "limits"], "memory", ["1Gi"]),
        (["spec", "securityContext"], "runAsUser", "10001"),
        (["spec", "volumes", 0], "persistentVolume", {}),
    ],
)
def test_it_does_not_take_what_is_no_field_or_of_another_kind(version, place, name, value):
    for pod in pods(deepcopy(RAY_SERVICE)):
        found = pod["template"]
        for step in place:
            found = found[step]
        found[name] = value
        with pytest.raises(ValidationError):
            check(pod, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_nor_in_the_service_that_callers_come_by(version):
    service = serve_service(deepcopy(RAY_SERVICE))
    service["spec"]["ports"][0]["prot"] = 50051
    with pytest.raises(ValidationError):
        check(service, version)


# KubeRay, whose definition is in no package: written from its reference of ray.io/v1, version 1.5.

FLAG = {"type": "boolean"}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
TEXTS = {"type": "object", "additionalProperties": TEXT}
# Kubernetes' own objects, which are checked as such.
OBJECT = {"type": "object"}


def record(*required, **fields):
    """One with these fields and no other."""
    return {
        "type": "object",
        "required": [*required],
        "properties": fields,
        "additionalProperties": False,
    }


GROUP = {"labels": TEXTS, "rayStartParams": TEXTS, "resources": TEXTS, "template": OBJECT}
HEAD = record(
    "template",
    **GROUP,
    enableIngress=FLAG,
    headService=OBJECT,
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
)
WORKERS = record(
    "groupName",
    "maxReplicas",
    "minReplicas",
    "template",
    **GROUP,
    groupName=TEXT,
    idleTimeoutSeconds=COUNT,
    maxReplicas=COUNT,
    minReplicas=COUNT,
    numOfHosts=COUNT,
    replicas=COUNT,
    scaleStrategy=record(workersToDelete={"type": "array", "items": TEXT}),
    suspend=FLAG,
)
CLUSTER = record(
    "headGroupSpec",
    authOptions=record(mode={"enum": ["disabled", "token"]}),
    autoscalerOptions=record(
        env={"type": "array", "items": OBJECT},
        envFrom={"type": "array", "items": OBJECT},
        idleTimeoutSeconds=COUNT,
        image=TEXT,
        imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
        resources=OBJECT,
        securityContext=OBJECT,
        upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
        version={"enum": ["v1", "v2"]},
        volumeMounts={"type": "array", "items": OBJECT},
    ),
    enableInTreeAutoscaling=FLAG,
    gcsFaultToleranceOptions=record(
        "redisAddress",
        externalStorageNamespace=TEXT,
        redisAddress=TEXT,
        redisPassword=OBJECT,
        redisUsername=OBJECT,
    ),
    headGroupSpec=HEAD,
    headServiceAnnotations=TEXTS,
    managedBy={"enum": ["ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue"]},
    rayVersion=TEXT,
    suspend=FLAG,
    workerGroupSpecs={"type": "array", "items": WORKERS},
)
SERVICE = record(
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayService"},
    metadata=record("name", annotations=TEXTS, labels=TEXTS, name=TEXT, namespace=TEXT),
    spec=record(
        "rayClusterConfig",
        excludeHeadPodFromServeSvc=FLAG,
        rayClusterConfig=CLUSTER,
        rayClusterDeletionDelaySeconds=COUNT,
        serveConfigV2=TEXT,
        serveService=OBJECT,
        upgradeStrategy=record(type={"enum": ["NewCluster", "None"]}),
    ),
)
KUBERAY = Draft202012Validator(SERVICE)


def test_kuberay_takes_the_service():
    Draft202012Validator.check_schema(SERVICE)
    KUBERAY.validate(RAY_SERVICE)
    names = [group["groupName"] for group in groups(RAY_SERVICE)[1:]]
    assert len({*names}) == len(names)


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        (["spec"], "rayClusterSpec", {}),
        (["spec", "upgradeStrategy"], "type", "Rolling"),
        (["spec", "rayClusterConfig"], "enableIntreeAutoscaling", True),
        (["spec", "rayClusterConfig", "authOptions"], "mode", "none"),
        (["spec", "rayClusterConfig", "headGroupSpec", "rayStartParams"], "num-cpus", 2),
        (["spec", "rayClusterConfig", "workerGroupSpecs", 0], "minReplica", 4),
        (["spec", "rayClusterConfig", "workerGroupSpecs", 0], "replicas", "4"),
    ],
)
def test_it_does_not_take_what_the_reference_does_not_know(place, name, value):
    service = found = deepcopy(RAY_SERVICE)
    for step in place:
        found = found[step]
    found[name] = value
    with pytest.raises(ValidationError):
        KUBERAY.validate(service)


# Compose

SCHEMA = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
COMPOSE = Draft202012Validator(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", ["compose.yaml", "cuda.yaml"])
def test_compose_takes_the_files(name):
    COMPOSE.validate(yaml.safe_load((DEPLOY / "compose" / name).read_text()))


@pytest.mark.parametrize(
    ("name", "value"), [("healtcheck", {}), ("read_only", []), ("ports", {"50051": 50051})]
)
def test_it_does_not_take_what_is_no_field_or_of_another_kind_in_compose(name, value):
    content = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    content["services"]["trueodds"][name] = value
    with pytest.raises(ValidationError):
        COMPOSE.validate(content)
