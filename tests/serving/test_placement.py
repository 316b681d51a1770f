"""Engines never ask Ray for more GPUs than it has, in which case it would wait for ever."""

import pytest

from trueodds_service.config import FakeSettings, ModelSettings, VllmSettings
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


@pytest.mark.parametrize(
    ("gpus", "count", "share"), [(1, 1, 1), (1, 2, 0.5), (2, 2, 1), (4, 2, 1), (2, 3, 0.5)]
)
def test_models_share_the_gpus_evenly(gpus, count, share):
    assert placed(gpus, *[OWN] * count) == [(share, round(0.9 * share, 4))] * count


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
        (0, [VllmSettings(gpus=0.5)], "ask for 0.5 GPUs, and 0 are here"),
        (1, [VllmSettings(gpus=1), VllmSettings(gpus=1)], "ask for 2 GPUs, and 1 are here"),
        (1, [VllmSettings(gpus=0.5), OWN], "leave no whole GPU to the others"),
    ],
)
def test_more_than_there_is_is_refused(gpus, engines, problem):
    with pytest.raises(ConfigError, match=problem):
        place(models(*engines), gpus)
