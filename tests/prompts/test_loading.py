"""Tokenizers in a process that loads no model."""

import subprocess
import sys

from trueodds_demo.service import MODELS
from trueodds_service.prompts.loading import load_files

_WITHOUT = """
import sys
from trueodds_service.prompts.loading import leave_torch_out, load_files
leave_torch_out()
print(load_files(sys.argv[1])("Is 2 even?")["input_ids"])
assert "torch" not in sys.modules
import torch
"""


def test_they_are_the_same_without_torch_which_can_be_imported_all_the_same() -> None:
    weights = MODELS / "base"
    command = [sys.executable, "-c", _WITHOUT, str(weights)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == str(load_files(weights)("Is 2 even?")["input_ids"]), said.stderr
    assert said.stderr == ""
