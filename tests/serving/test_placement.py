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


def by_name(placed):
    """The engines, in the order of the models' names."""
    return [model.engine for model in sorted(placed, key=lambda model: int(model.name[1:]))]


def placed(gpus, *engines):
    """Each engine's GPUs and its part of the memory of one."""
    found = by_name(place(models(*engines), [gpus]))
    return [(engine.gpus, round(engine.gpu_memory_fraction, 4)) for engine in found]


OWN = VllmSettings()


def counted(gpus, *engines):
    """Each model's replicas and the GPUs of each."""
    found = by_name(place(models(*engines), [gpus]))
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
    found = by_name(place(models(fake, OWN), [1]))
    assert found[0] == fake
    assert found[1].gpus == 1


def test_the_largest_are_deployed_first_as_they_were_packed():
    """Ray places in this order: a small one first could take a GPU of the pair from a large one."""
    engines = FakeSettings(backend="fake"), VllmSettings(gpus=0.5), VllmSettings(gpus=2), OWN
    placed = place(models(*engines), [2, 2])
    assert [model.name for model in placed] == ["m2", "m3", "m1", "m0"]


@pytest.mark.parametrize(
    ("nodes", "engines", "found"),
    [
        ([1, 1], [OWN], [(2, 1)]),
        ([4, 4], [VllmSettings(gpus=2)], [(4, 2)]),
        ([3, 3], [VllmSettings(gpus=2)], [(2, 2)]),
        ([3, 3], [VllmSettings(gpus=2), OWN], [(2, 2), (2, 1)]),
    ],
)
def test_several_gpus_of_a_replica_are_on_one_node(nodes, engines, found):
    placed = by_name(place(models(*engines), nodes))
    assert [(each.replicas.min, each.gpus) for each in placed] == found


def share(gpus, memory, replicas=1):
    return VllmSettings(gpus=gpus, gpu_memory_fraction=memory, replicas=replicas)


@pytest.mark.parametrize(
    ("nodes", "engines", "problem"),
    [
        ([1], [share(0.25, 0.5, replicas=4)], r"\(4 of m0\) may ask for 2 of its memory"),
        ([1], [share(0.5, 0.7), share(0.5, 0.4)], r"\(1 of m0, 1 of m1\) may ask for 1.1 "),
        # Neither need they meet, nor can it be excluded.
        ([2], [share(0.5, 0.7), share(0.5, 0.4)], r"\(1 of m0, 1 of m1\) may ask for 1.1 "),
        ([1], [share(0.25, 0.5), share(0.25, 0.2, replicas=3)], r"\(1 of m0, 3 of m1\) may"),
    ],
)
def test_replicas_that_share_a_gpu_may_not_ask_for_more_memory_than_it_has(nodes, engines, problem):
    with pytest.raises(ConfigError, match=problem):
        place(models(*engines), nodes)


@pytest.mark.parametrize(
    "engines",
    [
        [share(0.25, 0.25, replicas=4)],
        [share(0.25, 0.9)],
        [share(0.5, 0.7), share(0.5, 0.3)],
        [share(1, 1.0), share(0.6, 0.9)],
        [VllmSettings(gpus=0.01, replicas=100)],
    ],
)
def test_what_a_gpu_has_may_be_asked_for(engines):
    assert place(models(*engines), [2])


@pytest.mark.parametrize(
    ("gpus", "engines", "problem"),
    [
        (0, [VllmSettings(gpus=0.5)], "model m0: 1 replica of 0.5 GPU, 0 GPUs are here"),
        (3, [OWN, VllmSettings(gpus=2, replicas=2)], "m1: 2 replicas of 2 GPUs, 3 GPUs are here"),
        (1, [VllmSettings(gpus=0.6, replicas=2)], "2 replicas of 0.6 GPU, 1 GPU is here"),
        (
            1,
            [VllmSettings(gpus=1), VllmSettings(gpus=1)],
            r"fit together \(m0: 1 replica of 1 GPU; m1: 1 replica of 1 GPU\), 1 GPU is here",
        ),
        (2, [VllmSettings(replicas=Scaling(max=3))], "3 replicas of 1 GPU, 2 GPUs are here"),
        (
            4,
            [VllmSettings(replicas=Scaling(max=3)), VllmSettings(replicas=Scaling(max=2))],
            "fit together .m0: 3 replicas of 1 GPU; m1: 2 replicas of 1 GPU., 4 GPUs are here",
        ),
        (
            4,
            [VllmSettings(gpus=1, replicas=Scaling(max=4)), OWN],
            "leave no whole GPU to the others",
        ),
        (1, [VllmSettings(gpus=0.5), OWN], "leave no whole GPU to the others"),
        (0, [VllmSettings(quantization="fp8")], "model m0: quantization fp8 needs a GPU"),
    ],
)
def test_more_than_there_is_is_refused(gpus, engines, problem):
    with pytest.raises(ConfigError, match=problem):
        place(models(*engines), [gpus])


def test_more_gpus_than_a_node_has_are_refused_by_what_the_nodes_have():
    problem = "m0: 1 replica of 4 GPUs, 4 GPUs are here, 2 and 2 of a node"
    with pytest.raises(ConfigError, match=problem):
        place(models(VllmSettings(gpus=4)), [2, 0, 2])
