"""What vLLM is started with, and what an operator may not ask of it."""

import pytest

from trueodds_service.config import VllmSettings
from trueodds_service.engine.vllm.launch import engine_arguments
from trueodds_service.errors import ConfigError


def test_a_runner_without_forced_tokens_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    with pytest.raises(ConfigError, match="VLLM_USE_V2_MODEL_RUNNER"):
        engine_arguments(tmp_path, VllmSettings())


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"quantization": None, "tensor_parallel_size": 1, "async_scheduling": None}),
        ({"gpus": 0.25}, {"tensor_parallel_size": 1}),
        ({"gpus": 4}, {"tensor_parallel_size": 4, "distributed_executor_backend": "mp"}),
        ({"quantization": "fp8"}, {"quantization": "fp8"}),
        (
            {"block_tokens": 64, "block_hash": "xxhash"},
            {"block_size": 64, "prefix_caching_hash_algo": "xxhash"},
        ),
    ],
)
def test_what_is_set_is_what_vllm_gets(settings, wanted, tmp_path):
    found = engine_arguments(tmp_path, VllmSettings(**settings))
    assert {name: found[name] for name in wanted} == wanted
