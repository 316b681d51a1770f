"""The schemes on a real model: `python -m studies.real.align BASE OUTPUT`.

What was chosen beforehand, and not tuned: rank 16, 200 steps of 32, 2e-4 for supervised
fine-tuning, 1e-4 and β 0.1 for preferences. Each is written merged with its base, for vLLM's
adapters take numbers of 16 bits only.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from transformers import AutoTokenizer

from studies.paper.align import Settings, train
from studies.paper.schemes import TRAINED
from studies.real.synthetic import exercises

SETTINGS = Settings(rank=16, sft_rate=2e-4, dpo_rate=1e-4, beta=0.1)


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.align", description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--schemes", nargs="+", default=list(TRAINED), choices=TRAINED)
    parser.add_argument("--steps", type=int, default=SETTINGS.steps)
    options = parser.parse_args()
    source = exercises(AutoTokenizer.from_pretrained(options.base))
    settings = replace(SETTINGS, steps=options.steps)
    for scheme in options.schemes:
        train(options.base, scheme, source, settings, options.output / scheme, merged=True)


if __name__ == "__main__":
    main()
