"""The house of the design: what may import what."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trueodds
import trueodds_service

SERVICE, CLIENT = (Path(package.__file__).parent for package in (trueodds_service, trueodds))

# Each part of the service and the others that it may import. A part that is not a key here does
# not exist.
ARROWS = {
    "serving": {
        "app",
        "caller",
        "concurrency",
        "config",
        "edge",
        "engine",
        "errors",
        "hub",
        "prompts",
        "revision",
        "store",
        "urgency",
        "watching",
    },
    "operators": {"caller", "config", "errors", "rpc", "store"},
    "app": {
        "config",
        "edge",
        "engine",
        "errors",
        "flows",
        "http",
        "prompts",
        "revision",
        "rpc",
        "store",
    },
    "http": {"caller", "config", "core", "edge", "errors", "flows", "prompts", "rpc", "urgency"},
    "rpc": {
        "caller",
        "concurrency",
        "config",
        "core",
        "edge",
        "engine",
        "errors",
        "flows",
        "metering",
        "prompts",
        "store",
    },
    "edge": {
        "caller",
        "config",
        "errors",
        "fair",
        "flows",
        "metering",
        "store",
        "urgency",
        "watching",
    },
    "flows": {
        "caller",
        "concurrency",
        "core",
        "engine",
        "errors",
        "metering",
        "prompts",
        "store",
        "watching",
    },
    "engine": {
        "caller",
        "concurrency",
        "config",
        "errors",
        "fair",
        "revision",
        "urgency",
        "watching",
    },
    "prompts": {"engine", "errors"},
    "store": {"caller"},
    "core": set(),
    "config": {"caller", "errors", "hub"},
    "hub": {"errors"},
    "revision": {"errors"},
    "caller": set(),
    "metering": set(),
    "watching": set(),
    "fair": set(),
    "urgency": set(),
    "errors": set(),
    "concurrency": set(),
}

# Of these parts, others may import these modules only: protocols and records, no engine.
DOORS = {
    ("flows", "engine"): {"engine.base"},
    ("prompts", "engine"): {"engine.base"},
    ("rpc", "engine"): {"engine.base"},
    ("serving", "prompts"): {"prompts.loading"},
    ("serving", "engine"): {"engine.base", "engine.link", "engine.start"},
    ("edge", "flows"): {"flows.following", "flows.store_calls"},
    ("edge", "store"): {"store.keys"},
    ("operators", "rpc"): {"rpc.calibration.could_be_kept"},
    ("flows", "store"): {
        "store.alerts",
        "store.audit",
        "store.base",
        "store.calibrator",
        "store.checks",
        "store.errors",
        "store.outcomes",
        "store.records",
        "store.views",
    },
    ("rpc", "store"): {"store.alerts", "store.calibrator", "store.outcomes", "store.records"},
}

# The rooms of core, and the others that each may import.
ROOMS = {
    "arrays": set(),
    "calibrators": {"arrays"},
    "metrics": {"arrays"},
    "fitting": {"arrays", "calibrators", "metrics"},
    "decisions": {"arrays", "metrics"},
    "monitoring": {"arrays"},
}

# The homes of foreign libraries. The service imports no other, and nothing of its client but the
# stubs.
HOMES = {
    "alembic": {"store"},
    "cryptography": {"edge", "http.console"},
    "google": {"rpc"},
    "grpc": {"rpc", "serving.ray_access"},
    "grpc_health": {"rpc"},
    "grpc_reflection": {"rpc"},
    "grpc_status": {"rpc"},
    "httptools": {"http.connections"},
    "huggingface_hub": {"hub"},
    "jinja2": {"http.console"},
    "msgspec": {"engine.base", "engine.link", "http.decisions"},
    "opentelemetry": {"edge.tracing"},
    "numpy": {"core", "engine", "flows", "rpc"},
    "prometheus_client": {"edge.metrics"},
    "psutil": {"serving.pauses", "serving.reaper", "serving.replica"},
    "pydantic": {"config", "http.decisions", "http.openapi"},
    "ray": {"serving"},
    "sqlalchemy": {"store"},
    "starlette": {"http"},
    "tokenizers": {"prompts.controls"},
    "tqdm": {"hub"},
    "transformers": {f"prompts.{each}" for each in ("finding", "loading", "tokenizer", "writing")},
    "trueodds.v1": {"rpc"},
    "torch": {"engine.vllm.forced_tokens"},
    "uvicorn": {"http.connections", "http.server"},
    "vllm": {"engine.vllm"},
    "yaml": {"config", "serving.builder"},
    "zmq": {"engine.link"},
}

CLIENT_LIBRARIES = {"google", "grpc", "grpc_status", "rich", "typer", "typing_extensions"}

# Two commands hand over to a program of another package, when they are called, and a picture,
# files of Parquet and traces to the library of an extra.
HANDED_OVER = {
    ("_transport.traced", "opentelemetry"),
    ("cli.keys", "trueodds_service"),
    ("cli.serve", "trueodds_service"),
    ("cli.transfer", "trueodds_service"),
    ("cli.demo", "trueodds_demo"),
    ("report.png", "resvg_py"),
    ("files.parquet_file", "pyarrow"),
}


# Packages of the client that an extra is for, and its libraries: nothing else loads them at
# import.
EXTRAS = {"bulk": ["pyarrow"], "lm_eval": ["lm_eval", "tqdm"]}


def modules(root):
    """The modules below a folder by their dotted names, but for generated code."""
    generated = {root / "v1", root / "store" / "migrations"}
    for path in sorted(root.rglob("*.py")):
        if generated.isdisjoint(path.parents):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def imports(path):
    """What a module imports, as dotted names, and whether it does so later or never.

    Later is inside a function, never is for the type checker.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING")
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for name in node.names:
                yield f"{node.module}.{name.name}", id(node) in inside


def within(name, packages):
    """The package, one of ``packages``, that a dotted name belongs to."""
    return next((each for each in packages if f"{name}.".startswith(f"{each}.")), None)


FOUND = [(module, name, lazy) for module, path in modules(SERVICE) for name, lazy in imports(path)]
OWN = [
    (module, name.removeprefix("trueodds_service."))
    for module, name, _ in FOUND
    if within(name, ["trueodds_service"])
]
FOREIGN = [
    (module, name)
    for module, name, _ in FOUND
    if not within(name, ["trueodds_service", *sys.stdlib_module_names])
]
CLIENT_FOUND = [
    (module, name, lazy) for module, path in modules(CLIENT) for name, lazy in imports(path)
]


def test_the_service_has_these_parts():
    assert {module.split(".")[0] for module, _ in modules(SERVICE)} - {""} == {*ARROWS}


def test_the_map_of_the_house_has_every_part():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    house = text.partition("## The house")[2].partition("## ")[0]
    assert {*ARROWS} <= {*re.findall(r"\b(\w+)(?:/|\.py)", house)}


@pytest.mark.parametrize("part", ARROWS)
def test_arrows_point_down(part):
    found = {name.split(".")[0] for module, name in OWN if within(module, [part])}
    assert found <= ARROWS[part] | {part}


def test_core_has_these_rooms():
    found = {module.split(".")[1] for module, _ in modules(SERVICE) if module.startswith("core.")}
    assert found == {*ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_between_rooms_point_down(room):
    found = {
        name.split(".")[1]
        for module, name in OWN
        if within(module, [f"core.{room}"]) and within(name, ["core"])
    }
    assert found <= ROOMS[room] | {room}


@pytest.mark.parametrize(("ends", "doors"), DOORS.items(), ids=map(" to ".join, DOORS))
def test_a_part_is_entered_by_its_doors(ends, doors):
    part, other = ends
    found = {name for module, name in OWN if within(module, [part]) and within(name, [other])}
    assert found
    assert {name for name in found if not within(name, doors)} == set()


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_a_library_is_imported_in_its_home_only(library, homes):
    found = {module for module, name in FOREIGN if within(name, [library])}
    assert {within(module, homes) for module in found} == homes, found


def test_vllm_is_loaded_by_the_process_that_runs_it():
    eager = {module for module, name, lazy in FOUND if within(name, ["vllm"]) and not lazy}
    assert eager == {"engine.vllm.forced_tokens"}, "which vLLM loads by its name"
    assert not any(
        within(name, ["trueodds_service.engine.vllm.forced_tokens"]) for _, name, _ in FOUND
    )


def test_no_other_library_is_imported():
    assert [found for found in FOREIGN if not within(found[1], HOMES)] == []


def test_core_is_numpy_and_nothing_else():
    found = {name.split(".")[0] for module, name in FOREIGN if within(module, ["core"])}
    assert found == {"numpy"}


def test_the_client_needs_nothing_of_the_service():
    allowed = {"trueodds", *CLIENT_LIBRARIES, *sys.stdlib_module_names}
    beyond = {
        (module, name.split(".")[0], lazy)
        for module, name, lazy in CLIENT_FOUND
        if not within(name, [*allowed, *EXTRAS.get(module.split(".")[0], ())])
    }
    assert beyond == {(*each, True) for each in HANDED_OVER}


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_needs_an_extra_is_loaded_when_it_is_asked_for(extra):
    eager = {
        module
        for module, name, lazy in CLIENT_FOUND
        if within(name, [f"trueodds.{extra}"]) and not lazy and not within(module, [extra])
    }
    assert eager == set()


HEAVY = {
    "pyarrow",
    "ray",
    "vllm",
    "torch",
    "transformers",
    "sqlalchemy",
    "pydantic",
    "trueodds_service",
}


@pytest.mark.parametrize(
    ("module", "unloaded"),
    [
        ("trueodds", {*HEAVY, "typer", "rich", "numpy"}),
        ("trueodds.cli.main", {*HEAVY, "numpy"}),
        # A wrong configuration is reported before anything slow is imported.
        ("trueodds_service.serving.main", {"ray", "vllm", "torch", "transformers", "grpc"}),
        ("trueodds_service.core.fitting.fit", {*HEAVY - {"trueodds_service"}, "grpc"}),
        ("trueodds_service.store", {*HEAVY - {"trueodds_service", "sqlalchemy"}, "grpc"}),
    ],
)
def test_importing_loads_no_more_than_it_needs(module, unloaded):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    names = set(loaded.stdout.split())
    assert module in names
    assert names & unloaded == set()
