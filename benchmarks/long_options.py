"""Questions a second with four options of about 20 tokens: lm-eval's vLLM backend, the engine here,
and the service over gRPC, in one run, side by side.
"""

import argparse
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.engines import Bare, EngineProcess, LmEval
from benchmarks.report import console, report, summary
from benchmarks.systems.service import MODEL, config
from benchmarks.workload import Task, all_prompts
from trueodds import Answer, Client, CustomFormat, Normalization, Question, Reading
from trueodds_demo.service import MODELS, running
from trueodds_demo.world.documents import documents
from trueodds_service.config import VllmSettings
from trueodds_service.prompts import question as domain
from trueodds_service.prompts import reading as readings
from trueodds_service.prompts.formats import Format
from trueodds_service.prompts.tokenizer import PromptTokenizer

OPTIONS = 4
OPTION_WORDS = 12
# Words that all questions share, and words of their own.
CONTEXTS = {
    "80 tokens of context, 530 shared before them": (300, 40),
    "80 tokens of context, nothing shared": (0, 40),
    "440 tokens of context, nothing shared": (0, 220),
}


def main() -> None:
    """The command; `--help` describes its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_options", description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, default=MODELS / "base", help="the model's folder")
    add("--questions", type=int, default=100, help="of each kind, a round")
    add("--rounds", type=int, default=3, help="measured, after one to warm up")
    add("--output", type=Path, default=Path("build/bench/long-options.json"))
    options = parser.parse_args()
    settings = VllmSettings()
    with ExitStack() as stack:
        lm_eval, bare = (EngineProcess(each, options.weights, settings) for each in (LmEval, Bare))
        stack.callback(lm_eval.stop)
        stack.callback(bare.stop)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        address = stack.enter_context(running(config(folder, options.weights, settings)))
        client = stack.enter_context(Client(address))
        client.wait_until_ready()
        for name, (shared, own) in CONTEXTS.items():
            rates: dict[str, list[float]] = {}
            for number in range(options.rounds + 1):
                task = _task(options.weights, options.questions, shared, own, seed=number)
                seconds = {
                    "lm-eval, vLLM backend": lm_eval.seconds([task]),
                    "engine, token ids": bare.seconds([task]),
                    "service, BatchScore, text": _service(client, task),
                }
                for system, taken in seconds.items():
                    rates.setdefault(system, []).append(options.questions / taken)
            console.print(name)
            measured = {system: found[1:] for system, found in rates.items()}
            report(
                summary(options.questions, measured),
                options.output.with_stem(f"{options.output.stem}-{shared}-{own}"),
            )


def _service(client: Client, task: Task) -> float:
    reading = Reading(CustomFormat(answer="{text}"), Normalization.CHARACTERS)
    started = time.perf_counter()
    for outcome in client.score_batch(task.questions, model=MODEL, reading=reading):
        if not isinstance(outcome, Answer):
            raise outcome
    return time.perf_counter() - started


def _task(weights: Path, count: int, shared: int, own: int, *, seed: int) -> Task:
    """Questions whose contexts and options are words of the demo's world."""
    rng = Random(seed)
    words = (word for document in documents(rng) for word in document.split(" "))

    def text(number: int) -> str:
        return " ".join(islice(words, number))

    before = f"{text(shared)}\n\n" if shared else ""
    questions = [
        Question(
            prompt=before + text(own), options=[f" {text(OPTION_WORDS)}" for _ in range(OPTIONS)]
        )
        for _ in range(count)
    ]
    reading = readings.Reading(Format(answer="{text}"))
    prompts = PromptTokenizer.load(weights, 10**6).prepare(
        [_domain(question) for question in questions], [], reading
    )
    return Task("long options", [], questions, all_prompts(prompts))


def _domain(question: Question) -> domain.Question:
    options = tuple(question.options)
    prompt = domain.TextPrompt(str(question.prompt))
    return domain.Question("", options, domain.letters(len(options)), prompt=prompt)


if __name__ == "__main__":
    main()
