"""`trueodds serve` and `models`: what is wrong with a configuration or an installation."""

import subprocess
import sys

import pytest


def test_models_are_shown_with_their_state(command, start_service):
    result = command("models")
    assert result.exit_code == 0
    [aligned] = [line for line in result.stdout.splitlines() if "models/aligned" in line]
    assert "ready" in aligned
    assert "models/base" in aligned
    starting = start_service(ready=False).app.address
    assert command("models", "--server", starting).stdout.count("starting") == 2


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "cannot be read"),
        ("models: [", "is not YAML near line"),
        ("models: []", "models: "),
        ("models: [{name: a, weights: ., engin: {}}]", "models.0.engin: "),
        ("models: [{name: a, weights: .}]", "the weights of 'a' lack a config.json"),
    ],
)
def test_a_broken_configuration_is_named(tmp_path, config, said):
    path = tmp_path / "serve.yaml"
    if config is not None:
        path.write_text(config)
    result = trueodds("serve", path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_listen_address_is_checked(tmp_path):
    path = tmp_path / "serve.yaml"
    path.write_text("models: [{name: a, weights: .}]")
    result = trueodds("serve", path, "--listen", "50051")
    assert result.returncode == 1
    assert "listen: '50051' is not ADDRESS:PORT" in result.stderr


SERVICE, DEMO = "trueodds-service", "trueodds-demo"


HIDDEN = """
import importlib.abc, sys

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
from trueodds.cli import main
main()
"""


@pytest.mark.parametrize(
    ("args", "hidden", "missing", "pip"),
    [
        (["serve", "serve.yaml"], "yaml", "yaml", SERVICE),
        (["serve", "serve.yaml"], "ray", "ray", SERVICE),
        (["serve", "serve.yaml"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
        (["check", "serve.yaml"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
        (["demo"], "psutil", "psutil", DEMO),
        (["demo"], "trueodds_demo", f"the distribution {DEMO}", DEMO),
        (["demo"], "trueodds_service", f"the distribution {SERVICE}", SERVICE),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_plain_installation_says_what_is_missing(tmp_path, weights, args, hidden, missing, pip):
    (tmp_path / "serve.yaml").write_text(f"models: [{{name: a, weights: {weights}}}]")
    result = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(missing=hidden), *args],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout in ("", "starting …\n")
    assert result.stderr == (
        f"error: {missing} is missing: pip install '{pip}[cpu]' (or '{pip}[cuda]')\n"
    )


def trueodds(*args):
    """The command in a process of its own: what it serves would take this one's signals."""
    return subprocess.run(
        [sys.executable, "-m", "trueodds", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )
