"""One real service for the whole session: vLLM under Ray Serve, asked over gRPC."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from tests.integration.collector import Collector, collecting
from transformers import AutoModelForCausalLM

from trueodds import Client
from trueodds_demo.service import ALIGNED, BASE, MODELS, demo_config, running

ADAPTER = "an-adapter"
CASCADE = "both"


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a LoRA adapter over the base model, which changes what it says."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(MODELS / "base", dtype=torch.float32)
    wanted = LoraConfig(r=8, target_modules=["q_proj", "v_proj", "up_proj"])
    adapted: PeftModel = get_peft_model(base, wanted)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def http_address() -> str:
    """Where the service has its HTTP door."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def http_url(server: str, http_address: str) -> str:
    return f"http://{http_address}"


@pytest.fixture(scope="session")
def service_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service has its configuration and store, and its log beside them."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the service sends its traces."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def server(
    service_folder: Path, adapter: Path, http_address: str, collector: Collector
) -> Iterator[str]:
    """The address of `trueodds serve` with the demo pair and an adapter, once all answer."""
    config = demo_config(service_folder)
    content = yaml.safe_load(config.read_text())
    content["http"] = http_address
    content["tracing"] = {"endpoint": collector.endpoint, "share": 1}
    content["models"].append({"name": ADAPTER, "base": BASE, "adapter": str(adapter)})
    content["cascades"] = [{"name": CASCADE, "models": [ALIGNED, BASE]}]
    content["alerts"] = {"check_seconds": 1}
    config.write_text(yaml.safe_dump(content))
    with running(config) as address:
        with Client(address) as client:
            client.wait_until_ready()
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.fixture
def engine_of() -> Callable[[str], psutil.Process]:
    """Finds a process of a model's engine, among all that these tests have started."""
    return lambda model: next(
        process
        for process in psutil.Process().children(recursive=True)
        # Of one that has ended and that nobody has waited for, the system tells no command line.
        if process.status() != psutil.STATUS_ZOMBIE
        and f"engine-{model}" in " ".join(process.cmdline())
    )
