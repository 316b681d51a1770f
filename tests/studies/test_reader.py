"""The reader of the studies, against reading every prompt whole."""

import numpy as np
import pytest
from studies.reader import Reader

from trueodds_demo.service import MODELS
from trueodds_demo.training.base import load_model
from trueodds_demo.training.probe import read
from trueodds_demo.training.prompts import prompt
from trueodds_demo.training.tokenizer import load_tokenizer
from trueodds_demo.world import held_out, shots
from trueodds_service.prompts.formats import PAREN


@pytest.mark.parametrize("count", [0, 5])
def test_shared_shots_change_no_number(count: int) -> None:
    folder, task = MODELS / "aligned", "truth"
    examples, worked = held_out(task, 12), shots(task)[:count]
    found = Reader(folder).read(examples, worked, PAREN)
    prompts = [prompt(example, worked) for example in examples]
    expected = read(load_model(folder, "cpu"), load_tokenizer(folder), prompts, "cpu")
    np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-4)
    np.testing.assert_allclose(found.format, expected.format_probability, atol=1e-5)
