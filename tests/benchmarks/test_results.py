"""RESULTS.md is what the committed JSON says."""

from benchmarks import results


def test_results_are_made_of_the_json_that_is_there() -> None:
    for path, text in results.files().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name}: python -m benchmarks.results"
        )
