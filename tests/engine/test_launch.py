"""What vLLM is started with, and what an operator may not ask of it."""

import pytest

from trueodds_service.config import VllmSettings
from trueodds_service.engine.vllm.launch import engine_arguments
from trueodds_service.errors import ConfigError


def test_a_runner_without_forced_tokens_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    with pytest.raises(ConfigError, match="VLLM_USE_V2_MODEL_RUNNER"):
        engine_arguments(tmp_path, VllmSettings())
