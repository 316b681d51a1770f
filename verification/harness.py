"""lm-eval beside the service: its own model, its own tasks, the same contexts and choices."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from datasets import Dataset
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

from trueodds import (
    Answer,
    Client,
    Format,
    Normalization,
    Question,
    Reading,
    TokenIds,
)
from trueodds_demo.world.documents import documents
from verification.comparison import Comparison

_TASK = "verification"
METRICS = {
    "acc": Normalization.SUM,
    "acc_norm": Normalization.CHARACTERS,
    "acc_bytes": Normalization.BYTES,
    "acc_mutual_info": Normalization.PMI,
}


@dataclass(frozen=True)
class Item:
    """A context, its possible continuations, and the index of the right one."""

    context: str
    choices: tuple[str, ...]
    gold: int


def agieval(path: Path) -> list[Item]:
    """A set of AGIEval, as lm-eval's own tasks of that name ask it."""
    items = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        choices = tuple(row["options"])
        last = "ABCDE"[len(choices) - 1]
        context = (
            f"{row['passage'] or ''}Q: {row['question']} Answer Choices: {' '.join(choices)}\n"
            f"A: Among A through {last}, the answer is"
        )
        items.append(Item(context, choices, "ABCDE".index(row["label"])))
    return items


def sentence_endings(count: int) -> list[Item]:
    """As HellaSwag asks: a text's beginning, its next sentence, and three of other texts."""
    rng = Random(4)
    sentences = [
        sentence
        for document in islice(documents(rng), 8 * count)
        for sentence in document.replace("\n", " ").split(". ")
        if 20 < len(sentence) < 200
    ]
    items = []
    for place in range(count):
        start = 3 * place
        choices = list(dict.fromkeys([sentences[start + 2], *rng.sample(sentences, 6)]))[:4]
        gold = rng.randrange(len(choices))
        choices[0], choices[gold] = choices[gold], choices[0]
        items.append(Item(". ".join(sentences[start : start + 2]) + ".", tuple(choices), gold))
    return items


class Harness:
    """lm-eval's ``hf`` backend on one model, in fp32."""

    def __init__(self, weights: Path) -> None:
        for name in ("lm_eval", "lm-eval"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._model = HFLM(pretrained=str(weights), device="cpu", dtype="float32", batch_size=16)

    def compare(
        self,
        client: Client,
        model: str,
        items: Sequence[Item],
        metrics: Sequence[str] = tuple(METRICS),
    ) -> Comparison:
        """Logprobs of every option, the mean of every metric, and every single item's."""
        with redirect_stderr(StringIO()):  # its progress bars
            results = simple_evaluate(
                self._model, tasks=[_task(items, metrics)], log_samples=True, bootstrap_iters=0
            )
        samples = sorted(results["samples"][_TASK], key=lambda sample: sample["doc_id"])
        comparison = Comparison()
        comparison.n = len(items)
        for metric in metrics:
            answers = self._ask(client, model, items, METRICS[metric])
            for item, sample, answer in zip(items, samples, answers, strict=True):
                _compare(comparison, item, sample, answer)
                comparison.agree((answer.choice == item.gold) == bool(sample[metric]))
            right = [
                answer.choice == item.gold for item, answer in zip(items, answers, strict=True)
            ]
            ours = sum(right) / len(right)
            comparison.numbers(ours, results["results"][_TASK][f"{metric},none"])
        return comparison

    def _ask(
        self, client: Client, model: str, items: Sequence[Item], normalization: Normalization
    ) -> list[Answer]:
        # lm-eval's unconditional prompt is the token that it puts before any text.
        empty = TokenIds([self._model.prefix_token_id])
        unconditional = empty if normalization is Normalization.PMI else None
        reading = Reading(Format.TEXT, normalization, unconditional_prompt=unconditional)
        questions = [Question(prompt=each.context, options=each.choices) for each in items]
        answers = []
        for outcome in client.score_batch(questions, model=model, reading=reading):
            if not isinstance(outcome, Answer):
                raise outcome
            answers.append(outcome)
        return answers


def _compare(comparison: Comparison, item: Item, sample: Mapping[str, Any], answer: Answer) -> None:
    """The options' logprobs; where PMI asked for them, lm-eval's unconditional ones come after."""
    theirs = [logprob for logprob, _ in sample["filtered_resps"]]
    count = len(item.choices)
    comparison.numbers([option.logprob for option in answer.options], theirs[:count])
    unconditional = [option.unconditional_logprob for option in answer.options]
    if unconditional[0] is not None:
        comparison.numbers(unconditional, theirs[count:])


def _task(items: Sequence[Item], metrics: Sequence[str]) -> ConfigurableTask:
    rows = [vars(item) for item in items]
    return ConfigurableTask(
        config={
            "task": _TASK,
            "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "context",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "metric_list": [
                {"metric": metric, "aggregation": "mean", "higher_is_better": True}
                for metric in metrics
            ],
            "metadata": {"version": 1},
        }
    )
