"""Builds the site into build/site; a broken link fails: ``python -m documentation``."""

import subprocess
import sys
from pathlib import Path

from documentation.pages import CONFIGURATION, ROOT, stage
from documentation.reference import generated


def build(folder: Path) -> int:
    """The exit status of Zensical, having built ``folder``/site from ``folder``/pages."""
    stage(folder / "pages", generated())
    settings = folder / CONFIGURATION.name
    settings.write_text(CONFIGURATION.read_text("utf-8"), "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run([*command, "--config-file", settings], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(build(ROOT / "build"))
