"""A small model has several processes a GPU, unless its settings say otherwise."""

import json

import pytest

from trueodds_service.config import FakeSettings, ModelSettings, VllmSettings
from trueodds_service.serving.capacity import Capacity
from trueodds_service.serving.packing import fit
from trueodds_service.serving.placement import place
from trueodds_service.serving.sizes import Size, size_of
from trueodds_service.serving.splitting import concerned, split, told

GIB = 2**30
H200, L4 = 150_754_820_096, 24_152_899_584
# Llama 3.2 1B and 3B and Llama 3.1 8B: files in bfloat16, and a cache for 131,072 tokens.
ONE, THREE, EIGHT = (
    Size(2_471_645_608, 4 * GIB),
    Size(6_425_499_648, 14 * GIB),
    Size(16_060_522_496, 16 * GIB),
)
OWN = VllmSettings()


def given(sizes, *engines, nodes=(1,), gpu_bytes=H200, cores=16.0):
    """Each model's engine, for models of these sizes, None where that is not known."""
    models = [
        ModelSettings(name=f"m{index}", weights="weights", engine=engine)
        for index, engine in enumerate(engines or [OWN] * len(sizes))
    ]
    known = {f"m{index}": size for index, size in enumerate(sizes) if size}
    capacity = Capacity(gpu_bytes, cores, known)
    placed = split(models, place(models, nodes), nodes, capacity)
    assert [model.engine.gpus for model in placed] == sorted(
        (model.engine.gpus for model in placed), reverse=True
    ), "the largest are deployed first"
    assert fit([(model.engine.gpus, model.engine.replicas.max) for model in placed], nodes)
    by_name = {model.name: model.engine for model in placed}
    return [by_name[model.name] for model in models]


def counted(*args, **kwargs):
    """Each model's replicas and the GPUs of each."""
    return [(each.replicas.min, each.gpus) for each in given(*args, **kwargs)]


@pytest.mark.parametrize(
    ("size", "gpu_bytes", "found"),
    [
        (ONE, H200, (4, 0.25)),
        (THREE, H200, (2, 0.5)),
        (EIGHT, H200, (1, 1)),
        (Size(5_000_000_000, GIB), H200, (3, 0.3333)),
        # On a smaller GPU, a model is larger: there the GPU is the limit.
        (ONE, L4, (1, 1)),
        (Size(1_000_000_000, GIB), L4, (2, 0.5)),
        # Of the smallest a process still needs what CUDA and a step need.
        (Size(1_000_000, 1), L4, (4, 0.25)),
        (Size(1_000_000, 1), 8 * GIB, (1, 1)),
        # A whole prompt has to have room in each one's cache.
        (Size(ONE.weights, 60 * GIB), H200, (1, 1)),
        (None, H200, (1, 1)),
        (ONE, 0, (1, 1)),
    ],
)
def test_the_less_of_a_gpu_a_model_takes_the_more_processes_it_has(size, gpu_bytes, found):
    assert counted([size], gpu_bytes=gpu_bytes) == [found]


@pytest.mark.parametrize(
    ("cores", "replicas"), [(0.0, 1), (2.0, 1), (4.0, 2), (7.9, 3), (8.0, 4), (64.0, 4)]
)
def test_each_process_has_two_cores(cores, replicas):
    assert counted([ONE], cores=cores)[0][0] == replicas


@pytest.mark.parametrize(
    ("sizes", "nodes", "found"),
    [
        ([ONE], [8], [(32, 0.25)]),
        ([ONE], [2, 1], [(12, 0.25)]),
        ([ONE, EIGHT], [2], [(4, 0.25), (1, 1)]),
        ([ONE, EIGHT], [3], [(8, 0.25), (1, 1)]),
        # Together they have the processes that one would have alone.
        ([ONE, ONE], [1], [(2, 0.25)] * 2),
        ([ONE, EIGHT], [1], [(2, 0.25), (1, 0.5)]),
        ([ONE] * 3, [1], [(1, 0.3333)] * 3),
    ],
)
def test_models_share_what_there_is(sizes, nodes, found):
    assert counted(sizes, nodes=nodes) == found


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        (VllmSettings(replicas=1), (1, 1)),
        (VllmSettings(gpus=1), (1, 1)),
        (VllmSettings(gpus=0.5), (1, 0.5)),
        (VllmSettings(gpu_memory_fraction=0.5), (1, 1)),
        (VllmSettings(kv_cache_gib=50), (2, 0.5)),
        (VllmSettings(kv_cache_gib=120), (1, 1)),
        (FakeSettings(backend="fake", gpus=1, replicas=1), (1, 1)),
    ],
)
def test_what_is_set_is_kept(engine, found):
    assert counted([ONE], engine) == [found]


def test_beside_a_model_that_asks_for_more_memory_than_its_share_it_has_whole_gpus():
    greedy = VllmSettings(gpus=0.5, gpu_memory_fraction=0.8, replicas=1)
    assert counted([None, ONE], greedy, OWN, nodes=[2]) == [(1, 0.5), (1, 1)]


@pytest.mark.parametrize("sizes", [[ONE], [ONE, ONE], [ONE, EIGHT], [EIGHT, EIGHT], [THREE] * 4])
def test_what_meets_on_a_gpu_fits_into_its_memory_whoever_starts_first(sizes):
    engines = given(sizes)
    memory = 0.0
    for size, engine in zip(sizes, engines, strict=True):
        taken = size.weights + engine.kv_cache_gib * GIB + 4 * GIB
        assert taken == pytest.approx(engine.gpu_memory_fraction * H200)
        assert engine.kv_cache_gib * GIB >= size.context
        memory += engine.replicas.max * taken
    assert memory <= 0.9 * H200 + 1


def test_a_cache_is_left_to_vllm_where_a_model_has_a_gpu_of_its_own_or_is_not_known():
    assert given([EIGHT])[0].kv_cache_gib is None
    assert given([None, None])[0].kv_cache_gib is None
    own = VllmSettings(gpus=0.5, kv_cache_gib=3)
    assert given([ONE], own)[0].kv_cache_gib == 3


def test_each_model_that_may_share_is_told_with_the_reason():
    models = [
        ModelSettings(name=name, weights="weights", engine=engine)
        for name, engine in {
            "small": OWN,
            "unknown": OWN,
            "whole": VllmSettings(gpus=1),
            "fake": FakeSettings(backend="fake"),
        }.items()
    ]
    capacity = Capacity(H200, 16, {"small": ONE})
    placed = split(models, place(models, [3]), [3], capacity)
    assert [*told(concerned(models, placed), capacity)] == [
        "unknown: 1 × 1 GPU (its size, or that of the GPUs, is not known)",
        "small: 4 × 0.25 GPU (weights of 2.3 GiB, GPUs of 140.4 GiB, 16 cores for each)",
    ]


def test_without_a_gpu_there_is_nothing_to_share():
    models = [ModelSettings(name="model", weights="weights")]
    assert concerned(models, place(models, [0])) == []


LLAMA = {
    "hidden_size": 2048,
    "max_position_embeddings": 131_072,
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
}


@pytest.fixture
def sized(tmp_path):
    """The size of a model with this configuration and three bytes of weights."""

    def sized(config, **engine):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "model-1.safetensors").write_bytes(b"12")
        (tmp_path / "model-2.safetensors").write_bytes(b"3")
        (tmp_path / "pytorch_model.bin").write_bytes(b"the same once more")
        return size_of(ModelSettings(name="model", weights=tmp_path, engine=engine))

    return sized


@pytest.mark.parametrize(
    ("config", "engine", "context"),
    [
        # 32 KiB a token, by Llama 3.2 1B's own shape.
        (LLAMA, {}, 131_072 * 32 * 1024),
        (LLAMA, {"max_tokens": 1024}, 1024 * 32 * 1024),
        ({"text_config": LLAMA}, {}, 131_072 * 32 * 1024),
        ({**LLAMA, "head_dim": 128}, {}, 131_072 * 64 * 1024),
        ({**LLAMA, "num_key_value_heads": None}, {}, 131_072 * 128 * 1024),
    ],
)
def test_a_model_s_size_is_that_of_its_files_and_of_a_whole_prompt(sized, config, engine, context):
    assert sized(config, **engine) == (3, context)


def test_numbers_of_32_bits_take_twice_as_much(sized):
    assert sized(LLAMA, dtype="float32") == (6, 2 * sized(LLAMA).context)


@pytest.mark.parametrize(
    ("config", "engine"),
    [
        ({"model_type": "something"}, {}),
        ([], {}),
        ({**LLAMA, "num_attention_heads": 0}, {}),
        ({**LLAMA, "max_position_embeddings": float("inf")}, {}),
        ({**LLAMA, "max_position_embeddings": -1}, {}),
        ({**LLAMA, "quantization_config": {"quant_method": "awq"}}, {}),
        (LLAMA, {"load_format": "dummy"}),
        (LLAMA, {"backend": "fake"}),
    ],
)
def test_a_size_that_the_files_do_not_tell_is_not_known(sized, config, engine):
    assert sized(config, **engine) is None


def test_weights_that_are_elsewhere_have_no_size_here():
    assert size_of(ModelSettings(name="model", weights="/nowhere")) is None
