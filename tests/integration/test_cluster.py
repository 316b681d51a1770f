"""The service on a cluster of two nodes: whatever happens there, every question has one answer.

The engines are fakes that take a GPU each, and each node has one: what is seen is the serving.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.integration.clustered import Service, running
from tests.integration.ray_nodes import HEAD, WORKER

from trueodds import Answer, Client, Example, Method, Question, Unavailable
from trueodds_demo.service import MODELS

QUESTIONS = [Question(f"Is {number} even?", ("yes", "no")) for number in range(24)]
# Four at once keep a replica busy; each takes a fifth of a second.
ELASTIC = {
    "backend": "fake",
    "seconds": 0.2,
    "max_sequences": 8,
    "replicas": {"min": 1, "max": 3, "up_seconds": 1, "down_seconds": 3},
}

# Calls that show that the load goes on.
_MEANWHILE = 20
_MOST_MEANWHILE = 200

pytestmark = pytest.mark.timeout(600)


def models(sharpness: float) -> list[dict[str, Any]]:
    """Two replicas, which need both GPUs, and one that scales."""
    engine = {"backend": "fake", "gpus": 1, "replicas": 2, "sharpness": sharpness}
    return [
        {"name": name, "weights": str(MODELS / "base"), "engine": settings}
        for name, settings in (("model", engine), ("elastic", ELASTIC))
    ]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(models(sharpness=1.0)) as service:
        yield service


def until(condition: Callable[[], bool]) -> None:
    """However slow the machine; the test's own time limit ends a wait in vain."""
    while not condition():
        time.sleep(0.2)


def logprobs(outcomes: Sequence[object]) -> list[list[float]]:
    """Of each answer. Fails where one is an error."""
    found = []
    for outcome in outcomes:
        assert isinstance(outcome, Answer), outcome
        found.append([option.logprob for option in outcome.options])
    return found


def answers(client: Client, model: str = "model") -> list[list[float]]:
    return logprobs(client.score_batch(QUESTIONS, model=model))


@contextlib.contextmanager
def load(
    service: Service, ask: Callable[[Client], object], callers: int, pause: float = 0.0
) -> Iterator[list[object]]:
    """Callers of both gateways who ask again and again, and what they are told. Fails where a
    call does.
    """
    told: list[object] = []
    stop = threading.Event()

    def call(addresses: Sequence[str]) -> None:
        with service.client(*addresses) as client:
            while not stop.is_set():
                try:
                    told.append(ask(client))
                except Exception as error:
                    # Whoever waits for answers is not to wait for ever.
                    told.extend([error] * _MOST_MEANWHILE)
                    raise
                # Both nodes and all that starts there share this machine's cores.
                stop.wait(pause)

    ways = [(HEAD, WORKER), (WORKER, HEAD)]
    with ThreadPoolExecutor(callers) as threads:
        calls = [threads.submit(call, ways[number % 2]) for number in range(callers)]
        try:
            yield told
        finally:
            stop.set()
        for each in calls:
            each.result(timeout=200)


def asked_meanwhile(told: list[object], calls: int = _MEANWHILE) -> None:
    """Waits until so many more have been answered."""
    wanted = len(told) + calls
    until(lambda: len(told) >= wanted)


def test_each_node_has_a_gateway_and_a_replica_and_answers_the_same(service: Service) -> None:
    assert service.processes("gateway") == [1, 1]
    assert service.processes("engine-model") == [1, 1]
    with service.client(HEAD) as one, service.client(WORKER) as other:
        assert answers(one) == answers(other)


def run_there(service: Service, code: str) -> subprocess.CompletedProcess[str]:
    """A process that has joined the cluster."""
    joined = f"import ray\nray.init({service.nodes.address!r}, log_to_driver=False)\n"
    return subprocess.run(
        [sys.executable, "-c", joined + code],
        env=service.nodes.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_that_is_missing_is_told_with_each_node(service: Service) -> None:
    done = run_there(
        service,
        "from trueodds_service.config import ModelSettings\n"
        "from trueodds_service.serving import node_folders\n"
        "model = ModelSettings.model_validate({'name': 'm', 'weights': '/nowhere'})\n"
        "node_folders.check([model])",
    )
    for node in (HEAD, WORKER):
        assert f"node {node}: /nowhere: holds no weights" in done.stderr, done.stderr


def test_each_node_is_asked_for_what_its_gpus_have(service: Service) -> None:
    """Which no driver tells of GPUs that nobody has; but the size of weights is known there."""
    weights = MODELS / "base"
    done = run_there(
        service,
        "from trueodds_service.config import ModelSettings\n"
        "from trueodds_service.serving.capacity import capacity\n"
        f"model = ModelSettings.model_validate({{'name': 'm', 'weights': {str(weights)!r}}})\n"
        "found = capacity([model], of_cluster=True)\n"
        "print(found.gpu_bytes, found.cores, found.sizes['m'].weights)",
    )
    size = (weights / "model.safetensors").stat().st_size
    assert done.stdout.split() == ["0", "2.0", str(size)], done.stderr


@pytest.mark.cluster
def test_one_replica_becomes_three_under_load_and_one_again(service: Service) -> None:
    def ask(client: Client) -> object:
        return logprobs([client.score(QUESTIONS[0], model="elastic")])

    assert sum(service.processes("engine-elastic")) == 1
    with load(service, ask, callers=32) as told:
        until(lambda: sum(service.processes("engine-elastic")) == 3)
        asked_meanwhile(told, _MOST_MEANWHILE)
    until(lambda: sum(service.processes("engine-elastic")) == 1)
    assert all(answer == told[0] for answer in told)


@pytest.mark.cluster
def test_a_changed_configuration_is_rolled_out_without_a_failed_request(service: Service) -> None:
    with service.client(HEAD) as client:
        before = answers(client)
        service.configure(models(sharpness=2.0))
        with load(service, answers, callers=4, pause=0.2) as told:
            service.signal(signal.SIGUSR1)
            service.told("updating")
            service.told("updated")
            asked_meanwhile(told)
        after = answers(client)
    assert after != before
    for found in told:
        assert isinstance(found, list)
        for now, old, new in zip(found, before, after, strict=True):
            assert now in (old, new)
    assert service.processes("gateway") == [1, 1]


def test_a_node_that_is_killed_costs_nothing_and_is_used_again_when_it_is_back(
    service: Service,
) -> None:
    with service.client(HEAD, WORKER) as client, ThreadPoolExecutor(1) as thread:
        expected = answers(client)
        with load(service, answers, callers=4, pause=0.2) as told:
            asked_meanwhile(told)
            fit = thread.submit(fit_once, service)
            nodes = living(service)
            service.nodes.worker.kill()
            assert gone_of(service, nodes) == [WORKER]
            asked_meanwhile(told)
            service.nodes.add_worker()
            until(lambda: service.processes("gateway") == [1, 1])
            until(lambda: service.processes("engine-model") == [1, 1])
            asked_meanwhile(told)
        assert all(found == expected for found in told)
        assert [each.name for each in client.calibrators("model")] == [fit.result()]
    with service.client(WORKER) as client:
        client.wait_until_ready()
        assert answers(client) == expected


def living(service: Service) -> dict[str, str]:
    """The ids of the nodes, by their addresses."""
    code = (
        "import json\n"
        "living = [each for each in ray.nodes() if each['Alive']]\n"
        "print(json.dumps({each['NodeManagerAddress']: each['NodeID'] for each in living}))"
    )
    return dict(json.loads(run_there(service, code).stdout))


def gone_of(service: Service, nodes: dict[str, str]) -> list[str]:
    code = (
        "from trueodds_service.serving.nodes import is_gone\n"
        f"print(*(address for address, node in {nodes!r}.items() if is_gone(node)))"
    )
    return run_there(service, code).stdout.split()


def fit_once(service: Service) -> str:
    """Through the gateway that is killed, and until it is done: the other one has it by its id."""
    examples = [Example(question, number % 2) for number, question in enumerate(QUESTIONS)]
    with service.client(WORKER, HEAD) as client:
        while True:
            with contextlib.suppress(Unavailable):
                fitted = client.fit(
                    examples,
                    model="model",
                    task="killed",
                    method=Method.TEMPERATURE,
                    request_id="once",
                )
                return fitted.name
