"""Requests of every kind, good and absurd, over a real port: the service keeps its promises.

``python -m verification.fuzz --server HOST:PORT`` runs it. A request begins well formed and is
then spoiled, as a message and as bytes, so that it comes far before it is refused. Hypothesis
draws it, and shrinks what breaks a promise of ``checks`` to the smallest request that does.
"""

from verification.fuzz.known import MARKER
from verification.fuzz.run import Report, fuzz

__all__ = ["MARKER", "Report", "fuzz"]
