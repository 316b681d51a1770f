"""A model over two processes by vLLM's tensor parallelism, against transformers: on a CPU, too."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trueodds_service.config import VllmSettings
from trueodds_service.engine.base import TokenPrompt
from trueodds_service.engine.vllm.engine import VllmEngine

VOCABULARY = 1280
ON_GPU = torch.version.cuda is not None
CLOSE = {"rel": 5e-3, "abs": 0.05} if ON_GPU else {"rel": 1e-5, "abs": 1e-4}

pytestmark = [
    # Both processes load vLLM.
    pytest.mark.timeout(600),
    pytest.mark.skipif(ON_GPU and torch.cuda.device_count() < 2, reason="needs two GPUs"),
]


@pytest.fixture
def network(tmp_path: Path) -> LlamaForCausalLM:
    """A random one whose heads two processes can share, and in ``tmp_path`` its folder."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    shape = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,  # as far from even as a trained one's
    )
    network = LlamaForCausalLM(shape)
    network.save_pretrained(tmp_path)
    return network


def logprob(network: LlamaForCausalLM, before: tuple[int, ...], tokens: tuple[int, ...]) -> float:
    if not tokens:
        return 0.0
    with torch.inference_mode():
        logits = network(torch.tensor([before + tokens[:-1]])).logits[0]
    steps = logits.double().log_softmax(-1)[len(before) - 1 :]
    return float(steps[range(len(tokens)), list(tokens)].sum())


async def test_two_processes_answer_as_one(network: LlamaForCausalLM, tmp_path: Path) -> None:
    long = tuple(range(100, 130))
    prompts = [
        TokenPrompt(tuple(range(5, 5 + length)), ((17,), (18,), (200, 300), long), forced)
        for length, forced in ((1, ()), (40, (7,)), (300, (7, 8)))
    ]
    prompts.append(TokenPrompt(prompts[1].prompt, ((17,), (18,)), top_tokens=3))
    settings = VllmSettings(gpus=2, dtype="float32", kv_cache_gib=0.1, gpu_memory_fraction=0.2)
    engine = VllmEngine.start(tmp_path, settings)
    try:
        scores = await engine.score(prompts)
    finally:
        engine.close()
    for prompt, score in zip(prompts, scores, strict=True):
        before = prompt.prompt + prompt.identifier
        expected = [logprob(network, before, each) for each in prompt.continuations]
        assert score.continuations == pytest.approx(expected, **CLOSE)
        forced = logprob(network, prompt.prompt, prompt.identifier)
        assert score.identifier == pytest.approx(forced, **CLOSE)
    with torch.inference_mode():
        logits = network(torch.tensor([prompts[-1].prompt])).logits[0, -1]
    best = logits.double().log_softmax(-1).topk(3)
    assert [token for token, _ in scores[-1].top_tokens] == best.indices.tolist()
    assert [found for _, found in scores[-1].top_tokens] == pytest.approx(
        best.values.tolist(), **CLOSE
    )
