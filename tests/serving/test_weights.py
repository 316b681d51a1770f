"""What is said while large weights are read."""

from types import SimpleNamespace

from trueodds_service.serving import weights


def test_weights_that_take_long_are_told_every_few_seconds(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(weights, "time", SimpleNamespace(monotonic=lambda: now[0]))
    tell = weights.WeightsProgress("large", "reading")
    for read in range(1, 13):
        now[0] += 1
        tell(read * 2**30, 12 * 2**30)
    assert capsys.readouterr().out.splitlines() == [
        "large: reading its weights, 5.0 of 12.0 GiB",
        "large: reading its weights, 10.0 of 12.0 GiB",
    ]
