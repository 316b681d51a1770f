"""A service with calibrators, its console, and a browser to look at it with."""

import json
import math
import random
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from documentation.chromium import chromium_path
from tests.conftest import _serving
from tests.told import active, tell

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_CHROMIUM = "needs Chromium: `make browser` as root, or TRUEODDS_CHROMIUM=/path/to/it"


def fit(service, task, method, *, labelled, activate, items=60, seed=0):
    """A calibrator of two options for an overconfident model; its id."""
    draw = random.Random(seed)
    rows = []
    for _ in range(items):
        sure = draw.uniform(0.05, 0.95)
        logits = 3 * math.log(sure), 3 * math.log(1 - sure)
        total = math.log(sum(map(math.exp, logits)))
        row = {"logprobs": [each - total for each in logits]}
        if labelled:
            row["answer"] = int(draw.random() > sure)
        else:
            row["teacherLogprobs"] = [math.log(sure), math.log(1 - sure)]
        rows.append(row)
    request = {
        "model": "models/aligned",
        "task": task,
        "method": f"METHOD_{method}",
        "scores": {"items": rows},
        "activate": activate,
    }
    path = f"{service.url}/trueodds.v1.CalibrationService/FitCalibrator"
    lines = httpx.post(path, json=request, timeout=30).raise_for_status().text.splitlines()
    return json.loads(lines[-1])["result"]["calibrator"]["name"].rpartition("/")[2]


@pytest.fixture(scope="session")
def service(weights, run, tmp_path_factory):
    """A service whose base model has failed, and whose aligned one has calibrators."""
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        service = stack.enter_context(
            _serving(weights, run, folder / "store.sqlite", http="127.0.0.1:0")
        )
        run(service.app.model_failed("base", "its tokenizer cannot be loaded: no tokenizer.json"))
        yield service


@pytest.fixture(scope="session")
def taught(service):
    return fit(service, "reviews", "TEACHER_KL", labelled=False, activate=True)


@pytest.fixture(scope="session")
def fitted(service, taught):
    """Of the same scope, and newer; not active."""
    return fit(service, "reviews", "TEMPERATURE", labelled=True, activate=False, seed=1)


@pytest.fixture(scope="session")
def drifted(service):
    """One that promised too much, was told so, and has another proposed in its place."""
    calibrator = active(service, "wrens")
    tell(service, calibrator, share=0.5, count=100)
    service.run(service.app._alerts.look())
    tell(service, calibrator, share=0.5, count=400, seed=4)
    service.run(service.app._checks._proposals.propose())
    return calibrator.name.rpartition("/")[2]


@pytest.fixture
def addresses(taught, fitted, drifted):
    """Every page that has an address, each with what it may hold."""
    of = f"calibrators/aligned/{taught}"
    return (
        "./",
        "question",
        "calibrators",
        of,
        f"{of}/roll-back",
        f"{of}/measure",
        f"{of}/drift",
        f"calibrators/aligned/{drifted}/drift",
        f"calibrators/aligned/{fitted}/activate",
        f"compare?model=aligned&one={taught}&other={fitted}",
        "live",
        "sign-in",
    )


# Of a module: as long as it is there, an event loop runs in this thread, and asynchronous tests
# could have none.
@pytest.fixture(scope="module")
def chromium():
    path = chromium_path()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def said():
    """What the browser's console was told."""
    return []


@pytest.fixture
def visit(chromium, service, said):
    """Opens a page of the console; what the browser complains of fails the test."""
    contexts = []

    def visit(path, base=None, **options):
        context = chromium.new_context(base_url=f"{base or service.url}/console/", **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield visit
    for each in contexts:
        each.close()
    assert said == []


@pytest.fixture(scope="session")
def axe():
    """Deque's axe-core, as set-up fetches it into build/."""
    path = Path(__file__).parents[2] / "build" / "axe" / "package" / "axe.min.js"
    if not path.exists():
        pytest.skip("needs axe-core, which `make test` gets by npm")
    return path.read_text(encoding="utf-8")
