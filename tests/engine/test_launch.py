"""What vLLM is started with, and what an operator may not ask of it."""

import json

import pytest
import torch

from trueodds_service.config import VllmSettings
from trueodds_service.engine.vllm.launch import engine_arguments
from trueodds_service.errors import ConfigError


@pytest.fixture
def weights(tmp_path):
    """A model's folder, as far as it is read before vLLM reads it."""
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_runner_without_forced_tokens_is_refused(monkeypatch, weights):
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    with pytest.raises(ConfigError, match="VLLM_USE_V2_MODEL_RUNNER"):
        engine_arguments(weights, VllmSettings())


AWQ = {"quantization_config": {"quant_method": "awq", "bits": 4}}


@pytest.mark.parametrize("config", [AWQ, {"text_config": AWQ}])
def test_weights_that_are_quantized_already_are_taken_as_they_are(weights, config):
    (weights / "config.json").write_text(json.dumps(config))
    assert engine_arguments(weights, VllmSettings())["quantization"] is None
    with pytest.raises(ConfigError, match=r"quantization fp8: .* quantized already \(awq\)"):
        engine_arguments(weights, VllmSettings(quantization="fp8"))


@pytest.mark.skipif(torch.version.cuda is not None, reason="a GPU's own are in 16 bits")
def test_on_a_cpu_quantized_weights_are_computed_in_16_bits(weights):
    """vLLM's kernels for them refuse float32, or die of it."""
    assert engine_arguments(weights, VllmSettings())["dtype"] == "float32"
    (weights / "config.json").write_text(json.dumps(AWQ))
    assert engine_arguments(weights, VllmSettings())["dtype"] == "bfloat16"
    assert engine_arguments(weights, VllmSettings(dtype="float16"))["dtype"] == "float16"


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
def test_what_is_set_is_what_vllm_gets(settings, wanted, weights):
    found = engine_arguments(weights, VllmSettings(**settings))
    assert {name: found[name] for name in wanted} == wanted
