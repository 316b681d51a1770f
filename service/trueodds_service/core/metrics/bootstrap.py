"""Draws of items with replacement, as many at a time as fit into memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Weights that are in memory at a time.
_BLOCK = 2**20


def blocks(items: int, draws: int) -> Iterator[int]:
    """How many of ``draws`` draws to make at a time, each with a weight for each of ``items``."""
    size = max(_BLOCK // items, 1)
    for start in range(0, draws, size):
        yield min(size, draws - start)


def resampled(items: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each item is in each of ``draws`` samples of ``items`` items, block by block.

    Arrays of shape (block, items); the bootstrap of Efron and Tibshirani 1993. The same seed
    draws the same.
    """
    generator = np.random.default_rng(seed)
    for size in blocks(items, draws):
        drawn = generator.integers(0, items, (size, items)) + items * np.arange(size)[:, np.newaxis]
        yield np.bincount(drawn.ravel(), minlength=size * items).reshape(size, items).astype(float)
