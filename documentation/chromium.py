"""Where Chromium is, for the tests of the console and the pictures of it: ``make browser``."""

import os
import shutil


def chromium_path() -> str | None:
    """None where there is none."""
    return os.environ.get("TRUEODDS_CHROMIUM") or shutil.which("chromium")
