"""The backend for lm-eval against the service in this process; its tokens, against HFLM's."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import yaml
from datasets import Dataset
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from tests import pages
from tokenizers import processors
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from trueodds import Client, InvalidRequest, Model, NotFound, Question, TokenIds
from trueodds.lm_eval import TrueoddsLM
from trueodds.lm_eval.encoder import Encoder

PAIRS = [
    ("Which one is it?\nAnswer:", " A"),
    ("Which one is it?\nAnswer:", " B"),
    ("Which one is it?\nAnswer:", " one or two"),
    ("Which one is it?\nAnswer: ", "A"),
    ("Which one is it?\nAnswer:\n\n", "A\n"),
    ("Answ", "er: A or B"),
    ("Answe", "r: A or B"),
    ("", "Answer: A"),
    ("", "<|end|>Answer"),
    ("<|end|>Answer:", " A"),
    ("Which<|end|>one", " A"),
    ("Is x < y [or not]?", " A"),
    ("Answer:", "\n"),
    ("Answer:", " "),
    ("Answer: \n", "\n"),
    *(("Which of 128?\nAnswer:", f" {number}") for number in range(128)),
]


def requests(*args):
    return [Instance("loglikelihood", {}, each, 0) for each in args]


@pytest.fixture
def backend(service):
    return TrueoddsLM("aligned", service.app.address)


@pytest.fixture(params=["nothing added", "a token before every text"])
def tokenizer(request, weights):
    tokenizer = AutoTokenizer.from_pretrained(weights)
    if request.param != "nothing added":
        tokenizer.add_special_tokens({"bos_token": "<|begin|>"})
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.bos_token_id)]
        )
    return tokenizer


class Tokenizing:
    """A client of a service that has nothing but this tokenizer."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer

    def tokenize(self, prompts, *, model):
        return [
            tuple(
                self._tokenizer.encode(prompt, split_special_tokens=True)
                if isinstance(prompt, str)
                else self._tokenizer.encode(prompt.text, add_special_tokens=False)
            )
            for prompt in prompts
        ]


@pytest.fixture
def encoder(tokenizer):
    first = tokenizer.bos_token_id
    prefix = tokenizer.eos_token_id if first is None else first
    model = Model("models/x", True, "", None, None, "", 100, 2, 2, "", "", prefix)
    return Encoder(Tokenizing(tokenizer), model)


@pytest.fixture
def harness(tokenizer):
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    torch.manual_seed(0)
    return HFLM(pretrained=LlamaForCausalLM(config), tokenizer=tokenizer, device="cpu")


def test_tokens_are_those_of_hflm(encoder, harness, monkeypatch):
    taken = []
    monkeypatch.setattr(
        harness, "_loglikelihood_tokens", lambda each, **options: taken.extend(each) or []
    )
    pairs = [*PAIRS, ("<|begin|>Answer:", " A"), ("", "<|begin|>Answer: A")]
    harness.loglikelihood(requests(*pairs), disable_tqdm=True)
    expected = [(tuple(context), tuple(continuation)) for _, context, continuation in taken]
    assert encoder.pairs(pairs) == expected


def test_whole_texts_are_tokens_as_hflm_has_them(encoder, harness):
    texts = ["Answer: A", "<|end|>Answer", "<|begin|>Answer", ""]
    assert encoder.encode(texts) == {text: tuple(harness.tok_encode(text)) for text in texts}


def test_log_likelihoods_are_the_service_s_and_cost_a_question_a_context(backend, service):
    with Client(service.app.address) as client:
        found = backend.loglikelihood(requests(*PAIRS), disable_tqdm=True)
        tokens = Encoder(client, client.model("aligned")).pairs(PAIRS)
        for (context, continuation), (logprob, greedy) in zip(tokens, found, strict=True):
            question = Question(prompt=TokenIds(context), option_ids=[continuation])
            [option] = client.score(question, model="aligned").options
            assert logprob == pytest.approx(option.logprob)
            assert greedy is option.greedy


def test_a_bar_is_drawn_unless_told_otherwise(backend, capfd):
    asked = requests(*PAIRS[:2])
    backend.loglikelihood(asked, disable_tqdm=True)
    assert "loglikelihood" not in capfd.readouterr().err
    backend.loglikelihood(asked)
    assert "Running loglikelihood: 100%" in capfd.readouterr().err


def test_it_waits_for_a_model_that_starts(service, monkeypatch):
    told = iter([False, True, True])
    waited = []
    model = Client.model

    def starting(self, name):
        return replace(model(self, name), ready=next(told), max_prompt_tokens=100 + len(waited))

    def wait(self):
        waited.append(self)

    monkeypatch.setattr(Client, "model", starting)
    monkeypatch.setattr(Client, "wait_until_ready", wait)
    assert TrueoddsLM("aligned", service.app.address).max_length == 101
    assert len(waited) == 1
    TrueoddsLM("aligned", service.app.address)
    assert len(waited) == 1


def test_more_continuations_than_a_question_may_have(start_service):
    service = start_service(limits={"max_options": 3})
    backend = TrueoddsLM("aligned", service.app.address)
    pairs = [("Which one?", f" {number}") for number in range(8)]
    together = backend.loglikelihood(requests(*pairs), disable_tqdm=True)
    apart = [backend.loglikelihood(requests(pair), disable_tqdm=True)[0] for pair in pairs]
    assert [logprob for logprob, _ in together] == pytest.approx([each for each, _ in apart])


def test_the_same_request_twice(backend):
    first, other, again = backend.loglikelihood(
        requests(PAIRS[0], PAIRS[1], PAIRS[0]), disable_tqdm=True
    )
    assert first == again != other


def test_what_is_too_long_loses_its_beginning(start_service):
    backend = TrueoddsLM("aligned", start_service(max_tokens=42).app.address)
    assert backend.max_length == 40
    end = "x" * 30
    long, short = backend.loglikelihood(
        requests(("y" * 500 + end, "abc"), ("z" * 500 + end, "abc")), disable_tqdm=True
    )
    assert long != short, "eight tokens of the beginning are still read"
    exact = TrueoddsLM("aligned", start_service(max_tokens=42).app.address, max_length=32)
    long, short = exact.loglikelihood(
        requests(("y" * 500 + end, "abc"), ("z" * 500 + end, "abc")), disable_tqdm=True
    )
    assert long == short, "33 tokens are read, and these are the same"


def test_a_max_length_of_ones_own_cuts_what_the_service_would_read_whole(service):
    cut = TrueoddsLM("aligned", service.app.address, max_length=32)
    asked = requests(("y" * 60 + "x" * 30, "abc"), ("z" * 60 + "x" * 30, "abc"))
    first, second = cut.loglikelihood(asked, disable_tqdm=True)
    assert first == second, "33 tokens are read, and these are the same"


def test_a_whole_text_is_the_sum_of_its_windows(start_service, service):
    text = "Which one is it? " * 40
    whole = TrueoddsLM("aligned", service.app.address)
    narrow = TrueoddsLM("aligned", start_service(max_tokens=34).app.address)
    args = [Instance("loglikelihood_rolling", {}, (each,), 0) for each in (text, "One.", text)]
    totals = whole.loglikelihood_rolling(args)
    assert totals[0] == totals[2]
    [(expected, _)] = whole.loglikelihood(requests(("", text)), disable_tqdm=True)
    assert totals[0] == pytest.approx(expected)
    assert narrow.loglikelihood_rolling(args)[1] == pytest.approx(totals[1])
    assert narrow.loglikelihood_rolling(args)[0] != pytest.approx(totals[0])


def test_nothing_is_generated(backend):
    with pytest.raises(NotImplementedError, match="generate_until"):
        backend.generate_until(requests(("x", {})))


def test_what_cannot_be_scored_says_why(backend, service):
    with pytest.raises(ValueError, match="nothing to score"):
        backend.loglikelihood(requests(("x", "")), disable_tqdm=True)
    with pytest.raises(ValueError, match="nothing but space"):
        backend.loglikelihood(requests(("  ", "x")), disable_tqdm=True)
    with pytest.raises(NotFound):
        TrueoddsLM("nobody", service.app.address)
    assert not isinstance(InvalidRequest("x"), NotFound)


def test_lm_eval_finds_it_by_its_name_beside_its_own(service):
    kind = get_model("trueodds")
    assert kind is TrueoddsLM
    assert get_model("dummy")
    arguments = f"target={service.app.address},model=aligned"
    backend = kind.create_from_arg_string(arguments, {"batch_size": 8, "device": None})
    [(logprob, _)] = backend.loglikelihood(requests(PAIRS[0]), disable_tqdm=True)
    assert math.isfinite(logprob)


def test_the_command_is_lm_eval_s_own_with_one_model_more(service, tmp_path):
    rows = [{"question": f"Is {number} even?", "answer": number % 2} for number in range(6)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    task = {
        "task": "even",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_choice": ["yes", "no"],
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}],
    }
    (tmp_path / "even.yaml").write_text(yaml.safe_dump(task))
    command = [sys.executable, "-m", "trueodds.lm_eval", "--model", "trueodds"]
    arguments = f"--model_args target={service.app.address},model=aligned --tasks even"
    paths = ["--include_path", str(tmp_path), "--output_path", str(tmp_path / "results")]
    subprocess.run(
        [*command, *arguments.split(), *paths],
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        check=True,
        timeout=200,
    )
    [results] = (tmp_path / "results").rglob("results_*.json")
    found = json.loads(results.read_text())
    backend = TrueoddsLM("aligned", service.app.address)
    right = []
    for row in rows:
        pairs = [(f"{row['question']}\nAnswer:", choice) for choice in (" yes", " no")]
        yes, no = backend.loglikelihood(requests(*pairs), disable_tqdm=True)
        right.append((yes[0] < no[0]) == row["answer"])
    assert found["results"]["even"]["acc,none"] == sum(right) / len(right)
    assert found["config"]["model_engine"] == "fake 1"


def test_the_program_of_the_page_evaluates_a_task(service):
    rows = [{"text": "Is tin a metal?", "gold": 0}, {"text": "Is wood a metal?", "gold": 1}]
    task = ConfigurableTask(
        config={
            "task": "metals",
            "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{text}}\nAnswer:",
            "doc_to_choice": ["yes", "no"],
            "doc_to_target": "gold",
        }
    )
    program = pages.beginning("from lm_eval import").text
    for said, meant in (
        ("demo-base", "base"),
        ("localhost:50051", service.app.address),
        ('["arc_easy"]', "[task]"),
    ):
        assert said in program
        program = program.replace(said, meant)
    names = {"task": task}
    exec(program, names)  # noqa: S102 (our own page)
    assert names["results"]["results"]["metals"]["acc,none"] in (0, 0.5, 1)
