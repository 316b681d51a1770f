"""Which questions are held out: decided by the question alone, so the same in every run.

A hash of the text splits the questions, not a list: nothing has to be stored, and a document
generator on another machine skips exactly the questions that an evaluation asks.
"""

from hashlib import blake2b

from trueodds_demo.world.example import Draft

# One question in four is held out: even knowledge, the smallest task, then has over 6,000.
HELD_OUT_ONE_IN = 4


def key(draft: Draft) -> bytes:
    """Eight bytes that name a question whatever the order of its options.

    The order is left out so that a training question never differs from a held-out one by a
    permutation of the options only.
    """
    canonical = "\n".join((draft.passage, draft.text, *sorted(draft.options)))
    return blake2b(canonical.encode(), digest_size=8).digest()


def is_held_out(draft: Draft) -> bool:
    """Whether a question belongs to the held-out part."""
    return key(draft)[0] % HELD_OUT_ONE_IN == 0
