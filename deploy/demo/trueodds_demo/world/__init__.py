"""An invented world of multiple-choice questions whose true answer distributions are known.

Seven kinds of question mirror the seven tasks of He et al. (2023). Each question shows its
evidence (reports that disagree, words that are kind or rude, hedged premises), and the evidence
fixes the distribution its label is drawn from. A model can therefore be compared with the truth
itself, not with labels alone.
"""

from trueodds_demo.world.draw import held_out, shots, training
from trueodds_demo.world.example import Draft, Example
from trueodds_demo.world.tasks import TASKS

__all__ = ["TASKS", "Draft", "Example", "held_out", "shots", "training"]
