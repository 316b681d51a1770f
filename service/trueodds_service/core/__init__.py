"""The numbers behind a calibrated answer: arrays in, arrays and small frozen records out.

Everything here is a pure function of numpy arrays. n counts questions (items), k counts options.

- ``distributions``: option logprobs → answer distribution, confidence, choice, entropy
- ``solver``: the one temperature that minimises a cross-entropy, found by bisection
- ``calibrators``: what is applied to a question's option logprobs
- ``fits``: the methods that find a calibrator's temperature
- ``binning``, ``reliability``: confidence against accuracy, in bins: ECE and its noise floor
- ``metrics``: accuracy, NLL, Brier, and all of them in one record
"""
