"""Readings of `python -m studies.paren_options` as those of `studies.real.read`.

`python -m studies.real.gather FOLDER` takes the real models' answers to MMLU that lie there, read
with transformers in float32 from the service's own prompts, into `studies/results/real.npz`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.paren_options import SHOTS, cell
from studies.real.readings import MMLU
from studies.results import RESULTS

# Pre-trained; aligned, and the same asked by its chat template.
MODELS = ("gemma", "smollm2", "smollm2+chat")
WAYS = ("paren", "letter")
_MOST_OPTIONS = 5


def gather(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of one file."""
    arrays: dict[str, NDArray[Any]] = {}
    for model in MODELS:
        for way in WAYS:
            for shots in (0, SHOTS):
                with np.load(folder / cell(model, way, shots)) as found:
                    names = sorted({key.partition("/")[0] for key in found})
                    labels = [found[f"{name}/labels"] for name in names]
                    logprobs = np.concatenate([found[f"{name}/logprobs"] for name in names])
                    formats = np.concatenate([found[f"{name}/format"] for name in names])
                sizes = [len(each) for each in labels]
                arrays["tasks"] = np.array([f"{MMLU}/{name}" for name in names])
                arrays["task"] = np.repeat(np.arange(len(names)), sizes).astype(np.uint8)
                arrays["labels"] = np.concatenate(labels).astype(np.uint8)
                wide = np.full((len(logprobs), _MOST_OPTIONS), np.nan)
                wide[:, : logprobs.shape[1]] = logprobs
                key = f"{model}/{way}/{shots}"
                # Half precision, as there: a thousandth of a nat, about.
                arrays[f"{key}/logprobs"] = wide.astype(np.float16)
                arrays[f"{key}/format"] = formats.astype(np.float16)
                arrays[f"{key}/mass"] = np.exp(logprobs).sum(axis=1).astype(np.float16)
    return arrays


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.gather", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS / "real.npz")
    options = parser.parse_args()
    arrays = gather(options.folder)
    save_arrays(arrays, options.output)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
