"""Engines never ask Ray for more GPUs than it has, in which case it would wait for ever."""

import pytest

from trueodds_service.config import FakeSettings, ModelSettings, Scaling, VllmSettings
from trueodds_service.errors import ConfigError
from trueodds_service.serving.placement import place


def models(*engines):
    return [
        ModelSettings(name=f"m{index}", weights="weights", engine=engine)
        for index, engine in enumerate(engines)
    ]


def placed(gpus, *engines):
    """Each engine's GPUs and its part of the memory of one."""
    found = [model.engine for model in place(models(*engines), gpus)]
    return [(engine.gpus, round(engine.gpu_memory_fraction, 4)) for engine in found]


OWN = VllmSettings()


def counted(gpus, *engines):
    """Each model's replicas and the GPUs of each."""
    found = [model.engine for model in place(models(*engines), gpus)]
    return [
        (each.replicas if each.replicas.min < each.replicas.max else each.replicas.min, each.gpus)
        for each in found
    ]


@pytest.mark.parametrize(
    ("gpus", "count", "share"), [(1, 1, 1), (1, 2, 0.5), (2, 2, 1), (4, 2, 1), (2, 3, 0.5)]
)
def test_models_share_the_gpus_evenly(gpus, count, share):
    assert placed(gpus, *[OWN] * count) == [(share, round(0.9 * share, 4))] * count


@pytest.mark.parametrize(
    ("gpus", "engines", "found"),
    [
        (8, [OWN], [(8, 1)]),
        (8, [OWN, OWN, OWN], [(3, 1), (3, 1), (2, 1)]),
        (4, [VllmSettings(gpus=2)], [(2, 2)]),
        (5, [VllmSettings(gpus=2), OWN], [(2, 2), (1, 1)]),
        (8, [VllmSettings(gpus=4, replicas=1), OWN], [(1, 4), (4, 1)]),
        (2, [VllmSettings(gpus=0.25, replicas=4), OWN], [(4, 0.25), (1, 1)]),
        (1, [VllmSettings(replicas=4)], [(4, 0.25)]),
        (4, [VllmSettings(gpus=0.25)], [(1, 0.25)]),
        (3, [VllmSettings(replicas=2), OWN], [(2, 1), (1, 1)]),
        (4, [VllmSettings(replicas=Scaling(max=3)), OWN], [(Scaling(max=3), 1), (1, 1)]),
        (0, [VllmSettings(replicas=2), OWN], [(2, 0), (1, 0)]),
        (1, [VllmSettings(gpus=0), OWN], [(1, 0), (1, 1)]),
    ],
)
def test_each_gpu_that_others_leave_has_a_replica(gpus, engines, found):
    assert counted(gpus, *engines) == found


@pytest.mark.parametrize("count", range(1, 30))
@pytest.mark.parametrize("gpus", [1, 2, 3, 8])
def test_shares_fit_as_ray_counts_them(gpus, count):
    """Ray rounds a share to the nearest ten-thousandth, and a share lies on one GPU."""
    steps = [round(10_000 * share) for share, _ in placed(gpus, *[OWN] * count)]
    on_one = 10_000 // steps[0]
    assert on_one * gpus >= count


def test_without_a_gpu_none_is_asked_for():
    assert placed(0, OWN, OWN) == [(0, 0.9)] * 2


def test_what_is_set_is_kept():
    engines = VllmSettings(gpus=0.25), VllmSettings(gpus=0.5, gpu_memory_fraction=0.3)
    assert placed(1, *engines) == [(0.25, 0.225), (0.5, 0.3)]
    assert placed(2, VllmSettings(gpus=1), OWN, OWN) == [(1, 0.9), (0.5, 0.45), (0.5, 0.45)]


def test_a_fake_engine_takes_no_gpu():
    fake = FakeSettings(backend="fake")
    found = place(models(fake, OWN), 1)
    assert found[0].engine == fake
    assert found[1].engine.gpus == 1


@pytest.mark.parametrize(
    ("gpus", "engines", "problem"),
    [
        (0, [VllmSettings(gpus=0.5)], "model m0: 1 replica of 0.5 GPU, 0 GPUs are here"),
        (3, [OWN, VllmSettings(gpus=2, replicas=2)], "m1: 2 replicas of 2 GPUs, 3 GPUs are here"),
        (1, [VllmSettings(gpus=0.6, replicas=2)], "2 replicas of 0.6 GPU, 1 GPU is here"),
        (
            1,
            [VllmSettings(gpus=1), VllmSettings(gpus=1)],
            "m0: 1 replica of 1 GPU, 1 GPU is here, and other models ask for theirs",
        ),
        (2, [VllmSettings(replicas=Scaling(max=3))], "3 replicas of 1 GPU, 2 GPUs are here"),
        (1, [VllmSettings(gpus=0.5), OWN], "leave no whole GPU to the others"),
        (0, [VllmSettings(quantization="fp8")], "model m0: quantization fp8 needs a GPU"),
    ],
)
def test_more_than_there_is_is_refused(gpus, engines, problem):
    with pytest.raises(ConfigError, match=problem):
        place(models(*engines), gpus)
