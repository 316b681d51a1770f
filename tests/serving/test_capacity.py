"""What the driver, Ray and the files know of memory and cores, with doubles of the first two."""

from types import SimpleNamespace

import pytest
from ray._private.thirdparty import pynvml as nvml

from trueodds_demo.service import MODELS
from trueodds_service.config import ModelSettings, Settings
from trueodds_service.serving import application, capacity, gpu_memory
from trueodds_service.serving.capacity import Seen
from trueodds_service.serving.nodes import NoAnswer

BYTES = 150_754_820_096


@pytest.fixture
def driver(monkeypatch):
    """Tells of GPUs with this memory, some of them split."""

    def driver(*gpus, split=()):
        def mode(gpu):
            if gpu == "old":
                raise nvml.NVMLError_NotSupported
            return [int(gpu in split)] * 2

        told = SimpleNamespace(
            NVMLError=nvml.NVMLError,
            NVMLError_NotSupported=nvml.NVMLError_NotSupported,
            nvmlInit=lambda: None,
            nvmlShutdown=lambda: None,
            nvmlDeviceGetCount=lambda: len(gpus),
            nvmlDeviceGetHandleByIndex=lambda number: gpus[number],
            nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(total=16 if gpu == "old" else gpu),
            nvmlDeviceGetMigMode=mode,
        )
        monkeypatch.setattr(gpu_memory, "pynvml", told)

    return driver


def test_the_smallest_gpu_counts(driver):
    driver(80, 40, 141)
    assert gpu_memory.smallest_gpu() == 40
    driver(80, "old")
    assert gpu_memory.smallest_gpu() == 16


def test_nothing_is_known_of_parts_of_gpus_nor_without_any(driver):
    driver(80, 40, split=(80,))
    assert gpu_memory.smallest_gpu() is None
    driver()
    assert gpu_memory.smallest_gpu() is None


def test_nothing_is_known_without_a_driver(monkeypatch):
    def init():
        raise nvml.NVMLError(nvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(nvml, "nvmlInit", init)
    assert gpu_memory.smallest_gpu() is None


@pytest.fixture
def nodes(monkeypatch):
    """Ray's nodes: their GPUs and cores."""
    found = {}

    def of(address, gpus, cores):
        resources = {"CPU": cores, **({"GPU": gpus} if gpus else {})}
        return {"Alive": True, "NodeManagerAddress": address, "Resources": resources}

    monkeypatch.setattr(
        capacity.ray, "nodes", lambda: [of(name, *node) for name, node in found.items()]
    )
    return found


def test_of_a_cluster_the_least_of_the_nodes_with_gpus_counts(nodes, monkeypatch):
    nodes.update({"head": (0.0, 4.0), "one": (2.0, 32.0), "two": (8.0, 64.0)})
    told = {"head": Seen(None, {}), "one": Seen(80, {"model": (1, 2)}), "two": Seen(40, {})}
    monkeypatch.setattr(capacity, "ask_each", lambda question, models, seconds: told)
    found = capacity.capacity([], of_cluster=True)
    assert (found.gpu_bytes, found.cores, found.sizes) == (40, 8.0, {"model": (1, 2)})


@pytest.mark.parametrize("silent", [NoAnswer("late"), ValueError(), Seen(None, {}), None])
def test_a_node_that_does_not_tell_may_have_any_gpu(nodes, monkeypatch, silent):
    nodes.update({"one": (1.0, 8.0), "two": (1.0, 8.0)})
    told = {"one": Seen(80, {})} | ({} if silent is None else {"two": silent})
    monkeypatch.setattr(capacity, "ask_each", lambda question, models, seconds: told)
    assert capacity.capacity([], of_cluster=True).gpu_bytes == 0


def test_a_small_model_is_deployed_as_several_processes_a_gpu(
    nodes, driver, tmp_path, monkeypatch, capsys
):
    nodes.update({"this machine": (2.0, 16.0)})
    driver(BYTES, BYTES)
    weights = MODELS / "base"
    models = (ModelSettings(name="small", weights=weights),)
    deployed = {}
    deployment = application.serve.deployment

    def kept(body, **settings):
        deployed[settings["name"]] = settings
        return deployment(body, **settings)

    monkeypatch.setattr(application.serve, "deployment", kept)
    application.application(Settings(models=models), sockets=tmp_path)
    engine = deployed["engine-small"]
    assert engine["num_replicas"] == 8
    assert engine["ray_actor_options"]["num_gpus"] == 0.25
    gib = sum(each.stat().st_size for each in weights.glob("*.safetensors")) / 2**30
    assert capsys.readouterr().out.splitlines() == [
        f"small: 8 × 0.25 GPU (weights of {gib:.1f} GiB, GPUs of 140.4 GiB, 8 cores for each)"
    ]
