"""The labels of a decision's options: the first that a tokenizer takes as one token each.

An answer of one token is read in one request with the prompt in the cache. Labels of which one
begins another (``1`` and ``10`` in digits) would share what is meant for one of them, so none are
of several tokens unless all are two letters long.
"""

import string
from collections.abc import Callable, Sequence
from itertools import chain, product

from trueodds_service.prompts.question import Kind

_PAIRS = tuple(map("".join, product(string.ascii_uppercase, repeat=2)))
_LETTERS = (*string.ascii_uppercase, *_PAIRS, *string.ascii_lowercase)
# What the options are told by where they have no text: nothing but words would do.
_YES_NO = (("yes", "no"), ("Yes", "No"), ("true", "false"))

IdsAtAnswer = Callable[[Sequence[str]], list[tuple[int, ...] | None]]
"""The tokens of each label where the answer begins; None where it is none of its own."""


def first_fitting(kind: Kind, count: int, ids_at_answer: IdsAtAnswer) -> tuple[str, ...]:
    """The labels of ``count`` options, in their order; of several tokens only where it has to be.

    Predicates are answered with words, scores of up to ten levels with digits from 0 on, all
    else with letters: A to Z, then pairs of them, then small ones.
    """
    sets: Sequence[tuple[str, ...]] = ()
    if kind is Kind.PREDICATE:
        sets = _YES_NO
    elif kind is Kind.SCORE and count <= len(string.digits):
        sets = [tuple(string.digits[:count])]
    found = dict(zip(labels := (*chain(*sets), *_LETTERS), ids_at_answer(labels), strict=True))
    letters = () if kind is Kind.PREDICATE else _one_token_each(_LETTERS, found)[:count]
    for labels in (*sets, letters):
        if len(labels) == count == len(_one_token_each(labels, found)):
            return labels
    if sets:
        return sets[0]
    return _LETTERS[:count] if count <= len(string.ascii_uppercase) else _PAIRS[:count]


def _one_token_each(
    labels: Sequence[str], found: dict[str, tuple[int, ...] | None]
) -> tuple[str, ...]:
    """The labels of one token each, without those whose token an earlier label has."""
    firsts: dict[tuple[int, ...], str] = {}
    for label in labels:
        ids = found[label]
        if ids is not None and len(ids) == 1:
            firsts.setdefault(ids, label)
    return tuple(firsts.values())
