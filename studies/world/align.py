"""The schemes on the demo's base, as adapters: `python -m studies.world.align`.

What was chosen beforehand, and not tuned: rank, rates and β are those of the demo's own aligned
model, and 200 steps of 32 those of the real one.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from studies.paper.align import Settings, train
from studies.paper.schemes import TRAINED
from studies.world.exercises import exercises
from studies.world.models import BASE, SHIPPED, weights
from trueodds_demo.training.settings import Alignment

_DEMO = Alignment()
SETTINGS = Settings(
    rank=_DEMO.rank,
    sft_rate=_DEMO.sft_learning_rate,
    dpo_rate=_DEMO.dpo_learning_rate,
    beta=_DEMO.beta,
)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.world.align", description=__doc__)
    parser.add_argument("--output", type=Path, default=SHIPPED)
    parser.add_argument("--schemes", nargs="+", default=list(TRAINED), choices=TRAINED)
    parser.add_argument("--steps", type=int, default=SETTINGS.steps)
    options = parser.parse_args()
    settings = replace(SETTINGS, steps=options.steps)
    base = weights()[BASE].model
    for scheme in options.schemes:
        train(base, scheme, exercises, settings, options.output / scheme, merged=False)


if __name__ == "__main__":
    main()
