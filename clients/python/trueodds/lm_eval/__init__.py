"""A backend for lm-eval: its log-likelihoods, read by the service. Needs the extra ``lm-eval``.

Importing this registers the model "trueodds"; `python -m trueodds.lm_eval` is lm-eval's own
command with it.
"""

from trueodds.lm_eval.model import TrueoddsLM

__all__ = ["TrueoddsLM"]
