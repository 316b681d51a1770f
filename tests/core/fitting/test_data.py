"""Data of a fit: what is refused, with the item named."""

from typing import Any

import numpy as np
import pytest

from trueodds_service.core.fitting.data import DataError, FitData

GOOD = np.zeros((6, 4))


def bad(item: int, option: int, value: float) -> Any:
    array = GOOD.copy()
    array[item, option] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "message", "item"),
    [
        ({"logprobs": bad(3, 2, np.nan)}, r"logprobs\[3\] must be finite, but option 2 has nan", 3),
        ({"logprobs": bad(0, 1, -np.inf)}, r"logprobs\[0\] must be finite", 0),
        ({"logprobs": GOOD[0]}, r"logprobs must have shape \(n, k\)", None),
        ({"logprobs": np.empty((0, 4))}, r"logprobs must have shape \(n, k\)", None),
        ({"teacher_logprobs": bad(5, 0, np.inf)}, r"teacher_logprobs\[5\] must be finite", 5),
        ({"teacher_logprobs": GOOD[:, :3]}, r"teacher_logprobs must have shape \(6, 4\)", None),
        ({"labels": np.zeros(5, dtype=int)}, r"labels must have shape \(6,\)", None),
        ({"labels": np.zeros((6, 4), dtype=int)}, r"labels must have shape \(6,\)", None),
        ({"labels": np.zeros(6)}, "labels must be integers", None),
        ({"labels": [0, 1, 2, 3, 4, 0]}, r"labels\[4\] must lie in \[0, 4\), or be -1, got 4", 4),
        ({"labels": [0, -2, 2, 3, 4, 0]}, r"labels\[1\] must lie in \[0, 4\)", 1),
        ({"labels": np.full(6, 2**64 - 1, dtype=np.uint64)}, r"labels\[0\] must lie", 0),
        ({"teacher_format": [1, 1, 1.1, 0, 0, 0]}, r"teacher_format\[2\] must lie in \[0, 1\]", 2),
        ({"weights": [1, -1, 1, 1, 1, 1]}, r"weights\[1\] must lie in \[0, inf\]", 1),
        ({"weights": np.zeros(6)}, "weights must have a finite sum above zero", None),
        ({"content_free": bad(1, 3, -np.inf)[:2]}, r"content_free\[1\] must be finite", 1),
    ],
)
def test_names_what_it_refuses(arguments: dict[str, Any], message: str, item: int | None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        FitData(**({"logprobs": GOOD} | arguments))
    assert caught.value.item == item
    assert caught.value.argument == next(iter(arguments))


def test_what_is_measured_may_have_an_option_without_probability_and_no_other_number() -> None:
    held = FitData(bad(2, 1, -np.inf), finite=False)
    assert held.take(np.array([2])).logprobs[0, 1] == -np.inf
    for value in (np.nan, np.inf):
        with pytest.raises(DataError, match="must be finite or -inf, but option 1 has"):
            FitData(bad(2, 1, value), finite=False)


def test_takes_items_with_all_that_is_known_of_them() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    data = FitData(rows, np.array([0, -1, 2, -1]), rows + 1, np.full(4, 0.5), np.arange(4.0))
    known = data.take(data.known)
    np.testing.assert_array_equal(known.logprobs, rows[[0, 2]])
    np.testing.assert_array_equal(known.answers, [0, 2])
    np.testing.assert_array_equal(known.taught, rows[[0, 2]] + 1)
    np.testing.assert_array_equal(known.item_weights, [0, 2])
    assert not FitData(rows).known.any()
