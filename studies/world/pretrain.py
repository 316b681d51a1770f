"""Pre-trained models of other sizes than the demo's: `python -m studies.world.pretrain`.

The demo's own recipe, documents and tokenizer; only the shape is another.
"""

import argparse
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from studies.world.models import BASE, SHAPES, SHIPPED, weights
from trueodds_demo.training.base import pretrain
from trueodds_demo.training.settings import Recipe


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.world.pretrain", description=__doc__)
    parser.add_argument("--output", type=Path, default=SHIPPED)
    parser.add_argument("--sizes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the steps")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for size in options.sizes:
        folder = options.output / size
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(weights()[BASE].model / name, folder / name)
        recipe = replace(Recipe().scaled(options.scale), shape=SHAPES[size])
        pretrain(recipe, folder, device)


if __name__ == "__main__":
    main()
