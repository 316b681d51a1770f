"""A question in tokens."""

from typing import NamedTuple

from trueodds_service.engine.base import TokenPrompt


class Prepared(NamedTuple):
    """A question as the engine takes it, and where its options are found in the score.

    ``surfaces`` are the ways in which each option is written, as (what is read, the place of its
    tokens among the continuations): the format's own first, then the variants.
    """

    prompt: TokenPrompt
    surfaces: tuple[tuple[tuple[str, int], ...], ...]
