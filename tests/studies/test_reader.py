"""The reader of the studies, against reading every prompt whole."""

import numpy as np
import pytest
from studies.reader import Reader, computed_tokens, prompts_of

from trueodds_demo.service import MODELS
from trueodds_demo.training.base import load_model
from trueodds_demo.training.probe import read
from trueodds_demo.training.prompts import prompt
from trueodds_demo.training.tokenizer import load_tokenizer
from trueodds_demo.world import held_out, shots
from trueodds_service.prompts.formats import PAREN
from trueodds_service.prompts.tokenizer import PromptTokenizer


@pytest.mark.parametrize("count", [0, 5])
def test_shared_shots_change_no_number(count: int) -> None:
    folder, task = MODELS / "aligned", "truth"
    examples, worked = held_out(task, 12), shots(task)[:count]
    found = Reader(folder).read(examples, worked, PAREN)
    prompts = [prompt(example, worked) for example in examples]
    expected = read(load_model(folder, "cpu"), load_tokenizer(folder), prompts, "cpu")
    np.testing.assert_allclose(found.logprobs, expected.logprobs, atol=1e-4)
    np.testing.assert_allclose(found.format, expected.format_probability, atol=1e-5)


def test_an_engine_computes_what_the_whole_blocks_that_all_share_leave() -> None:
    tokenizer = PromptTokenizer.load(MODELS / "aligned", 2048)
    prompts, shared = prompts_of(tokenizer, held_out("truth", 12), shots("truth"), PAREN)
    counts = computed_tokens(prompts, shared)
    rows = [prompt.prompt + prompt.identifier for prompt in prompts]
    [known] = {len(row) - count for row, count in zip(rows, counts.tolist(), strict=True)}
    assert known % 16 == 0
    assert len({row[:known] for row in rows}) == 1
    assert len({row[: known + 16] for row in rows}) > 1
