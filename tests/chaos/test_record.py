"""The report of the drills."""

import json

from verification.chaos.record import Report, Result


def test_a_drill_that_runs_again_replaces_itself_and_leaves_the_others(tmp_path):
    path = tmp_path / "chaos" / "report.json"
    report = Report(path)
    report.add(Result("one", tries=1, lost=1))
    report.add(Result("other", tries=2, recoveries=[0.5, 2.0, 1.0]))
    Report(path).add(Result("one", tries=3))
    one, other = json.loads(path.read_text())["drills"]
    assert (one["name"], one["tries"], one["lost"], one["recovery_seconds"]) == ("one", 3, 0, None)
    assert (other["recovery_seconds"], other["recovery_seconds_median"]) == (2.0, 1.0)


def test_a_drill_without_a_try_shows_nothing():
    assert not Result("one").passed
    assert Result("one", tries=1).passed
    assert not Result("one", tries=1, duplicated=1).passed
