"""The backend for lm-eval on the real engine, beside lm-eval's own ``hf`` backend in fp32."""

import math
from collections.abc import Iterator
from random import Random

import pytest
from datasets import Dataset
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from verification.harness import sentence_endings

from trueodds.lm_eval import TrueoddsLM
from trueodds_demo.service import BASE, MODELS
from trueodds_demo.world.documents import documents

TOLERANCE = 1e-4

PAIRS = [
    ("The film was dull. Is this review good?\nAnswer:", " yes"),
    ("The film was dull. Is this review good?\nAnswer:", " no, it is not"),
    ("The film was dull. Is this review good?\nAnswer: ", "no"),
    ("The film was dull.\n\n", "It was long."),
    ("The film was du", "ll and it was long"),
    ("", "The film was dull."),
    ("", "<|end|>The film"),
    ("<|end|>The film was", " dull"),
    ("The film was dull.", "\n"),
    ("", " "),
    *(("Which film was it?\nAnswer:", f" number {number}") for number in range(40)),
]


# Shorter than the model's context, so that little text is too long.
MAX_LENGTH = 200


@pytest.fixture(scope="module")
def backend(server: str) -> TrueoddsLM:
    return TrueoddsLM(BASE, server, max_length=MAX_LENGTH)


@pytest.fixture(scope="module")
def reference() -> HFLM:
    return HFLM(
        pretrained=str(MODELS / "base"),
        device="cpu",
        dtype="float32",
        batch_size=8,
        max_length=MAX_LENGTH,
    )


def requests(kind: str, arguments: list[tuple[str, ...]]) -> list[Instance]:
    return [Instance(kind, {}, each, place) for place, each in enumerate(arguments)]


def test_log_likelihoods_are_those_of_hf(backend: TrueoddsLM, reference: HFLM) -> None:
    items = sentence_endings(10)
    pairs = PAIRS + [(each.context, f" {choice}") for each in items for choice in each.choices]
    long = "The film was dull. " * 60
    pairs += [(long, "It was long."), (long + " ", "It was short.")]
    asked = requests("loglikelihood", pairs)
    theirs = reference.loglikelihood(asked, disable_tqdm=True)
    ours = backend.loglikelihood(asked, disable_tqdm=True)
    for pair, (logprob, greedy), (expected, is_greedy) in zip(pairs, ours, theirs, strict=True):
        assert logprob == pytest.approx(expected, abs=TOLERANCE), pair
        assert greedy is is_greedy, pair


def test_whole_texts_are_as_likely_as_hf_finds_them(backend: TrueoddsLM, reference: HFLM) -> None:
    texts = [*_texts(5), "A", "<|end|>The film", " ".join(_texts(20))]
    asked = requests("loglikelihood_rolling", [(text,) for text in texts])
    theirs = reference.loglikelihood_rolling(asked, disable_tqdm=True)
    ours = backend.loglikelihood_rolling(asked, disable_tqdm=True)
    assert len(reference.tok_encode(texts[-1])) > 5 * MAX_LENGTH
    for text, logprob, expected in zip(texts, ours, theirs, strict=True):
        # As many roundings are in it as tokens.
        assert logprob == pytest.approx(expected, abs=TOLERANCE, rel=1e-6), text[:40]


def test_a_task_has_the_same_metrics(backend: TrueoddsLM, reference: HFLM) -> None:
    ours = simple_evaluate(backend, tasks=[_choices(), _perplexity()], bootstrap_iters=0)
    theirs = simple_evaluate(reference, tasks=[_choices(), _perplexity()], bootstrap_iters=0)
    for name in ("acc,none", "acc_norm,none"):
        assert ours["results"]["choices"][name] == theirs["results"]["choices"][name]
    for name in ("word_perplexity,none", "bits_per_byte,none"):
        found, expected = (each["results"]["texts"][name] for each in (ours, theirs))
        assert math.isclose(found, expected, rel_tol=TOLERANCE)
    assert ours["config"]["model_revision"]


def _texts(count: int) -> list[str]:
    found: Iterator[str] = documents(Random(7))
    return [next(found) for _ in range(count)]


def _choices() -> ConfigurableTask:
    items = sentence_endings(40)
    rows = [
        {"context": each.context, "choices": list(each.choices), "gold": each.gold}
        for each in items
    ]
    return _task(
        "choices",
        rows,
        output_type="multiple_choice",
        doc_to_text="{{context}}",
        doc_to_choice="{{choices}}",
        doc_to_target="gold",
        metric_list=[
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in ("acc", "acc_norm")
        ],
    )


def _perplexity() -> ConfigurableTask:
    return _task(
        "texts",
        [{"text": text} for text in _texts(6)],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{text}}",
        metric_list=[{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    )


def _task(name: str, rows: list[dict[str, object]], **settings: object) -> ConfigurableTask:
    config = {
        "task": name,
        "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
        "test_split": "test",
        "metadata": {"version": 1},
        **settings,
    }
    return ConfigurableTask(config=config)
