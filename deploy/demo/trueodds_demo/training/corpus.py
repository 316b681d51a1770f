"""Windows of training tokens, made by worker processes ahead of the training loop.

A batch is a uint16 array of shape (batch, window). Every window starts with a document, as every
prompt does, and cuts the last document that it holds.
"""

from collections.abc import Iterator
from functools import cache, partial
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from trueodds_demo.training.tokenizer import END, load_tokenizer, token_id
from trueodds_demo.world.documents import documents

Tokens = NDArray[np.uint16]

# Read once a worker process.
_tokenizer = cache(load_tokenizer)


def batches(folder: Path, count: int, batch: int, window: int, seed: int) -> Iterator[Tokens]:
    """``count`` batches; batch i depends on the seed and i alone, not on the number of workers."""
    workers = max(1, (cpu_count() or 2) - 1)
    # Workers are spawned: the parent may have started CUDA, which does not survive a fork.
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(partial(_batch, folder, batch, window, seed), range(count))


def _batch(folder: Path, batch: int, window: int, seed: int, index: int) -> Tokens:
    tokens = _tokens(_tokenizer(folder), Random(f"corpus/{seed}/{index}"))
    rows = np.empty((batch, window), dtype=np.uint16)
    for row in rows:
        filled = 0
        while filled < window:
            piece = next(tokens)[: window - filled]
            row[filled : filled + len(piece)] = piece
            filled += len(piece)
    return rows


def _tokens(tokenizer: Tokenizer, rng: Random) -> Iterator[list[int]]:
    """The token ids of one document after the other, each with the end token."""
    end = token_id(tokenizer, END)
    for text in documents(rng):
        yield [*tokenizer.encode(text).ids, end]
