"""The numbers behind a calibrated answer: arrays in, arrays and small frozen records out.

Everything here is a pure function of numpy arrays. n counts questions (items), k counts options.

- ``distributions``: option logprobs → answer distribution, confidence, choice, entropy
- ``solver``: the one temperature that minimises a cross-entropy, ``objective``
- ``methods``, ``data``, ``fits``: what a method needs, what it learns from, and every method
- ``calibrators``, ``linear``, ``confidence_maps``, ``bias``: what is applied to option scores;
  ``restore`` makes it again from stored parameters
- ``confidence_fits``, ``regression``, ``pooling``: the arithmetic of the richer fits
- ``choosing``: AUTO, which method to fit
- ``metrics``: all metrics in one record, with bootstrap intervals; made of ``measures`` from
  ``gaps`` (bins), ``smooth``, ``ranking``; ``paired`` compares two distributions,
  ``resampling`` draws the items for both
- ``binning``, ``reliability``: confidence against accuracy, in bins: ECE and its noise floor
- ``wilson``, ``binomial``: intervals and bounds of a rate
- ``decisions``: abstention for a target risk, answer sets that hold the right option
- ``order``, ``options``: order bias, and the scores of options from those of tokens
"""
