"""`python -m trueodds.lm_eval …` is `lm_eval …` with the model "trueodds".

lm-eval (0.4.13) has a fixed list of models and looks for no others in what is installed.
"""

from lm_eval.__main__ import cli_evaluate

import trueodds.lm_eval  # noqa: F401 (registers the model)

cli_evaluate()
