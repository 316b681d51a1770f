"""Two replicas of a real engine, as of one on each of two GPUs."""

import socket
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from trueodds import Answer, Client
from trueodds_demo import world
from trueodds_demo.questions import scored_questions, shots
from trueodds_demo.service import ALIGNED, MODELS, running

COUNT = 20


def prompts_by_process(url: str) -> dict[str, float]:
    """How many each engine has had."""
    families = text_string_to_metric_families(httpx.get(url).text)
    return {
        sample.labels["process"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "trueodds_engine_prompts_total"
    }


def test_two_replicas_share_the_tasks_and_answer_as_one(tmp_path: Path, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics = f"127.0.0.1:{free.getsockname()[1]}"
    engine = {"replicas": 2, "kv_cache_gib": 0.25}
    model = {"name": ALIGNED, "weights": str(MODELS / "aligned"), "engine": engine}
    content = {"listen": "127.0.0.1:0", "metrics": metrics, "models": [model]}
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.safe_dump({**content, "store": "sqlite:///s.sqlite"}))

    def ask(client: Client) -> dict[str, list[Answer]]:
        found = {}
        for task in world.TASKS:
            outcomes = client.score_batch(
                scored_questions(task, COUNT), model=ALIGNED, shots=shots(task)
            )
            found[task] = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
            assert len(found[task]) == COUNT
        return found

    wanted = ask(client)
    with running(path) as address, Client(address) as of_two:
        of_two.wait_until_ready()
        before = prompts_by_process(f"http://{metrics}/metrics")
        answers = ask(of_two)
        after = prompts_by_process(f"http://{metrics}/metrics")
    for task, each in answers.items():
        for one, other in zip(each, wanted[task], strict=True):
            assert [option.logprob for option in one.options] == pytest.approx(
                [option.logprob for option in other.options], abs=2e-3
            )
    gained = {process: after[process] - before.get(process, 0) for process in after}
    assert len(gained) == 2
    assert all(gained.values()), "each has computed some of the tasks"
    assert sum(gained.values()) >= len(world.TASKS) * COUNT
