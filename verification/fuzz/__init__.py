"""Requests of every kind, good and absurd, over a real port: the service keeps its promises.

``python -m verification.fuzz`` runs it. A request begins well formed and is then spoiled, as a
message and as bytes, so that it comes far before it is refused; a decision over HTTP as JSON and as
bytes. Hypothesis draws it, and shrinks what breaks a promise of ``checks`` or ``body_checks`` to
the smallest request that does. And many callers at once ask engines that die, hang or answer
nonsense at marked prompts: nobody but those who sent these may be worse off for it.
"""

from verification.fuzz.decisions import fuzz_decisions
from verification.fuzz.hostile import besiege
from verification.fuzz.known import MARKER
from verification.fuzz.rounds import Report
from verification.fuzz.run import fuzz
from verification.fuzz.stand import hostile_models, odd_models

__all__ = ["MARKER", "Report", "besiege", "fuzz", "fuzz_decisions", "hostile_models", "odd_models"]
