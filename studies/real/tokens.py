"""How many tokens of each question of MMLU an engine of the real pair computes.

`python -m studies.real.tokens FOLDER --data DATA` reads the tokenizers of FOLDER/smollm2 and
FOLDER/gemma, and no weights, and writes `studies/results/real_tokens.npz`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.arrays import save_arrays
from studies.paper.readings import MMLU
from studies.reader import computed_tokens, prompts_of
from studies.real.tasks import Task, load
from studies.real.weights import GEMMA, SMOLLM2
from studies.results import RESULTS
from trueodds import Example as Asked
from trueodds_demo.world import Example
from trueodds_service.prompts.formats import PAREN
from trueodds_service.prompts.question import Question, letters
from trueodds_service.prompts.tokenizer import PromptTokenizer

TOKENS = RESULTS / "real_tokens.npz"
# As the readings are called that the tokens are of: in a conversation, and not.
WAY = "paren/5"
ASKED = {f"{SMOLLM2}+chat": SMOLLM2, GEMMA: GEMMA}
_LONGEST = 2**15


def counted(folder: Path, tasks: list[Task]) -> dict[str, NDArray[Any]]:
    """By model, for every question of the tasks, in their order; 0 for those of other sets."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, model in ASKED.items():
        tokenizer = PromptTokenizer.load(folder / model, _LONGEST)
        counts = [_counts(tokenizer, task, chat=name != model) for task in tasks]
        arrays[f"{name}/{WAY}"] = np.concatenate(counts).astype(np.uint16)
    return arrays


def _counts(tokenizer: PromptTokenizer, task: Task, *, chat: bool) -> NDArray[np.int64]:
    if not task.name.startswith(f"{MMLU}/"):
        return np.zeros(len(task.asked), dtype=np.int64)
    asked, shots = ([_example(each) for each in part] for part in (task.asked, task.shots))
    return computed_tokens(*prompts_of(tokenizer, asked, shots, PAREN, chat=chat))


def _example(asked: Asked) -> Example:
    """A client's example as the reader takes it."""
    text, options = asked.question.text, tuple(asked.question.options)
    question = Question(text, options, letters(len(options)))
    return Example(MMLU, question, asked.answer or 0, ())


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m studies.real.tokens", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="holds mmlu/ and agieval/")
    options = parser.parse_args()
    save_arrays(counted(options.folder, load(options.data)), TOKENS)
    print(f"written to {TOKENS}")


if __name__ == "__main__":
    main()
