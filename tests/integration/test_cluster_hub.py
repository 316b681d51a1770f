"""Weights on the Hugging Face hub, on a cluster: each node fetches them into its own cache."""

import pytest
from tests.integration.clustered import running
from tests.integration.ray_nodes import HEAD, WORKER
from tests.stand_in_hub import hub

from trueodds import Question
from trueodds_demo.service import MODELS
from trueodds_service.revision import model_revision

QUESTION = Question("Is tin a metal?", ("yes", "no"))

pytestmark = [pytest.mark.timeout(600), pytest.mark.cluster]


def test_each_node_fetches_into_its_own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = {"backend": "fake", "gpus": 1, "replicas": 2}
    model = {"name": "model", "weights": "acme/base@main", "engine": engine}
    with hub({"acme/base": MODELS / "base"}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with running([model]) as service:
            commit = server.commit("acme/base")
            assert service.processes("engine-model") == [1, 1]
            for node in (HEAD, WORKER):
                cached = service.nodes.cache(node) / "models--acme--base/snapshots" / commit
                assert model_revision(cached) == model_revision(MODELS / "base")
            # Once by each, though a gateway and an engine of each have asked.
            assert server.sent.count("model.safetensors") == 2
            with service.client(HEAD) as one, service.client(WORKER) as other:
                assert one.model("model").revision == model_revision(MODELS / "base")
                found, same = (each.score(QUESTION, model="model") for each in (one, other))
            assert found.options == same.options
