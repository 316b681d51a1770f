"""What each distribution holds and needs: the client is small, pure, and runs on any Python."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "trueodds": "clients/python",
    "trueodds-service": "service",
    "trueodds-demo": "deploy/demo",
}
CLIENT_NEEDS = {
    "googleapis-common-protos",
    "grpcio",
    "grpcio-status",
    "protobuf",
    "rich",
    "typer",
    "typing-extensions",
}


def project(name):
    text = (ROOT / FOLDERS[name] / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The wheel of the client."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT / FOLDERS["trueodds"],
        check=True,
        capture_output=True,
    )
    [wheel] = folder.iterdir()
    return wheel


def test_the_client_is_small_and_pure(client):
    assert client.stat().st_size < 2**20
    assert client.name.endswith("-py3-none-any.whl")


def test_the_client_holds_itself_alone(client):
    with zipfile.ZipFile(client) as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0] for name in names} == {"trueodds", "trueodds-0.1.0.dist-info"}
    assert {Path(name).suffix for name in names if name.startswith("trueodds/")} == {
        ".py",
        ".pyi",
        ".typed",
        ".css",
    }
    assert "trueodds/client.py" in names


def test_the_client_asks_for_little(client):
    with zipfile.ZipFile(client) as wheel:
        read = {Path(name).name: name for name in wheel.namelist() if "dist-info" in name}
        metadata = Parser().parsestr(wheel.read(read["METADATA"]).decode())
        assert "trueodds = trueodds.cli:main" in wheel.read(read["entry_points.txt"]).decode()
    assert metadata["Requires-Python"] == ">=3.10", "no upper bound"
    needs = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert {re.match("[a-z-]+", need)[0] for need in needs} == CLIENT_NEEDS


def test_the_three_are_one_version_and_go_together():
    versions = {project(name)["version"] for name in FOLDERS}
    assert len(versions) == 1
    [version] = versions
    assert f"trueodds=={version}" in project("trueodds-service")["dependencies"]
    demo = project("trueodds-demo")
    assert f"trueodds-service=={version}" in demo["dependencies"]
    for extra in ("cpu", "cuda"):
        assert demo["optional-dependencies"][extra] == [f"trueodds-service[{extra}]=={version}"]


@pytest.mark.parametrize("name", FOLDERS)
def test_each_has_the_license(name):
    folder = ROOT / FOLDERS[name]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
