"""Options are one record each, for both clients and the command."""

import asyncio
import inspect

import pytest

from trueodds import AsyncClient, Client, EvaluateOptions, FitOptions, ScoreOptions
from trueodds._transport.blocking import run
from trueodds.cli.options import DETAILS, SCORING
from trueodds.options import EVALUATE, FIT, SCORE

RECORDS = [(ScoreOptions, SCORE), (FitOptions, FIT), (EvaluateOptions, EVALUATE)]
CALLS = {
    "score": SCORE,
    "score_batch": SCORE,
    "score_stream": SCORE,
    "fit": FIT,
    "evaluate": EVALUATE,
}


@pytest.mark.parametrize(
    ("record", "defaults"), RECORDS, ids=lambda each: getattr(each, "__name__", "")
)
def test_every_option_has_a_default_and_a_description(record, defaults):
    assert record.__annotations__.keys() == defaults.keys()
    told = [line.partition(":")[0] for line in inspect.getdoc(record).splitlines() if ":" in line]
    assert defaults.keys() <= {name.strip() for names in told for name in names.split(",")}


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("call", CALLS)
def test_help_tells_each_option_with_its_default(client, call):
    parameters = inspect.signature(getattr(client, call)).parameters
    assert {name: parameters[name].default for name in CALLS[call]} == CALLS[call]
    assert all(name in getattr(client, call).__doc__ for name in CALLS[call])


def test_a_misspelled_option_is_no_option(client, ask):
    with pytest.raises(TypeError, match=r"argument 'shot'; there are .*shots, "):
        client.score(ask(), model="aligned", shot=[])


def test_options_in_one_value_are_those_of_a_call(client, ask):
    kept: ScoreOptions = {"top_tokens": 3, "min_option_mass": 1.0}
    answer = client.score(ask(), model="aligned", **kept)
    assert (len(answer.top_tokens), answer.abstained) == (3, True)


def test_the_command_has_all_of_them():
    """The reading in its parts, and worked examples from a file."""
    assert SCORE.keys() - {"reading", "shots"} <= SCORING.keys() | DETAILS.keys()


def test_a_blocking_call_that_would_wait_for_a_loop_is_a_fault():
    with pytest.raises(RuntimeError, match="event loop"):
        run(asyncio.sleep(1))
