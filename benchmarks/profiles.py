"""Profiles: which model and which questions, for a machine with a GPU and for one without."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import agieval, corpus, demo_world, shapes, subjects
from benchmarks.ceiling import flops, matrix_rate
from benchmarks.workload import Round, Tasks
from trueodds import Format
from trueodds_demo.service import MODELS
from trueodds_service.config import VllmSettings

CACHE = Path("build/bench")

_ROWS = "async,batch,stream,unary,async-alone,unary-alone"
GPU_ROWS = f"{_ROWS},offline-defaults"
CPU_ROWS = f"{_ROWS},openai,generative-scoring,lm-eval,transformers"


@dataclass(frozen=True)
class Sizes:
    """How many rounds, and how many questions of each task a round: together, and one at a time."""

    rounds: int
    tasks: int
    questions: int
    alone: int


@dataclass(frozen=True)
class Prepared:
    """A profile's model, its settings, its questions, and what to say about them."""

    weights: Path
    settings: VllmSettings
    work: list[list[Round]]
    """By lane, then by round."""
    dtype: str
    about: dict[str, Any] = field(default_factory=dict)


def cpu(sizes: Sizes, answer_format: Format, engine: dict[str, Any], lanes: int) -> Prepared:
    """The demo's aligned model; AGIEval where it is there, else the demo's own tasks."""
    weights = MODELS / "aligned"
    tasks = Tasks(weights, answer_format, shapes.CONTEXT)
    found = agieval if agieval.load() else demo_world
    work = [
        found.rounds(tasks, sizes.questions, sizes.alone, sizes.rounds + 1, lane)
        for lane in range(lanes)
    ]
    questions = "agieval" if found is agieval else "the demo's own: no AGIEval here"
    about = {"model": "demo-aligned", "questions": questions}
    settings = VllmSettings.model_validate({"max_tokens": shapes.CONTEXT, **engine})
    return Prepared(weights, settings, work, "float32", {**about, **_lengths(work[0])})


def gpu(
    sizes: Sizes, answer_format: Format, engine: dict[str, Any], lanes: int, shape: str
) -> Prepared:
    """A Llama's shape with dummy weights; 57 subjects with shots of about 600 tokens."""
    made = shapes.SHAPES[shape]
    weights = shapes.write(made, corpus.tokenizer(CACHE / "tokenizer"), CACHE / f"shape-{shape}")
    tasks = Tasks(weights, answer_format, shapes.CONTEXT)
    text = subjects.Text(weights)
    work = [
        [
            subjects.round_of(tasks, text, sizes.tasks, sizes.questions, sizes.alone, number, lane)
            for number in range(sizes.rounds + 1)
        ]
        for lane in range(lanes)
    ]
    ceiling = matrix_rate()
    counted = work[0][-1]
    about = {
        "model": f"llama-{shape}",
        "questions": "subjects",
        **_lengths(work[0]),
        "matrix_tflops": round(ceiling.sustained / 1e12, 1),
        "matrix_tflops_burst": round(ceiling.burst / 1e12, 1),
        "ceiling_questions_per_second": round(
            counted.items * ceiling.sustained / flops(made, counted.batches), 1
        ),
    }
    room = memory(made, engine.get("gpus") or 1)
    settings = VllmSettings.model_validate(
        {"max_tokens": shapes.CONTEXT, "load_format": "dummy", "gpus": 1, **room, **engine}
    )
    return Prepared(weights, settings, work, "bfloat16", about)


def memory(shape: shapes.Shape, gpus: float) -> dict[str, float]:
    """Room for 98,304 tokens: more than a round's shots and all that is under way.

    With it given, four engines fit a GPU beside each other, whatever order they start in.
    """
    room = shape.kv_bytes_per_token * 98_304 / max(gpus, 1)
    return {"kv_cache_gib": room / 2**30, "gpu_memory_fraction": 0.2}


def _lengths(work: list[Round]) -> dict[str, float]:
    tasks = [task for each in work for task in each.batches]
    lengths = [prompt.length for task in tasks for prompt in task.prompts]
    shared = [task.shared_tokens for task in tasks]
    return {
        "mean_prompt_tokens": round(sum(lengths) / len(lengths), 1),
        "mean_shared_tokens": round(sum(shared) / len(shared), 1),
    }
