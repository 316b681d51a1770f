"""Train the demo pair: ``python -m trueodds_demo.training``.

Stages: the tokenizer and the base, then the aligned model, then the figures. Each reads what the
one before it wrote, so any of them can be run again alone.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

import torch

from trueodds_demo.training.alignment import align
from trueodds_demo.training.base import pretrain
from trueodds_demo.training.evaluate import evaluate
from trueodds_demo.training.settings import Recipe
from trueodds_demo.training.tokenizer import save_tokenizer, train_tokenizer

STAGES = ("base", "align", "evaluate")
MODELS = Path(__file__).parent.parent / "models"

log = logging.getLogger("trueodds_demo.training")


def main() -> None:
    """Read the options and run the stages they name."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = replace(Recipe(), seed=options.seed).scaled(options.scale)
    base, aligned = options.output / "base", options.output / "aligned"
    if "base" in options.stage:
        shape, settings = recipe.shape, recipe.pretraining
        tokenizer = train_tokenizer(shape.vocabulary, settings.tokenizer_documents, recipe.seed)
        save_tokenizer(tokenizer, base, shape.positions)
        log.info("tokenizer: %d tokens", tokenizer.get_vocab_size())
        pretrain(recipe, base, options.device)
    if "align" in options.stage:
        align(recipe, base, aligned, options.device)
    if "evaluate" in options.stage:
        figures = evaluate(base, aligned, recipe.questions, options.device)
        (options.output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        log.info("mean calibration errors: %s", figures["mean"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trueodds_demo.training", description=__doc__)
    parser.add_argument("--output", type=Path, default=MODELS, help="where the models go")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu"
    )
    parser.add_argument(
        "--stage", nargs="+", choices=STAGES, default=STAGES, help="the stages to run"
    )
    parser.add_argument("--seed", type=int, default=0, help="seeds data and weights")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="multiplies all counts of steps and questions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
