"""The numbers behind a calibrated answer: numpy arrays in, arrays and small frozen records out.

n counts questions (items), k counts options. Everything is a pure function, except that the tests
in ``monitoring`` remember what they have seen. A room imports only from rooms above it:

- ``arrays``: input checks, option scores and the distributions made of them
- ``calibrators``: what is applied to option scores, made again from stored parameters
- ``metrics``: how good probabilities are, with intervals and noise floors
- ``fitting``: every method, from data to a calibrator, and AUTO, which chooses one
- ``decisions``: from probabilities to decisions with a guarantee
- ``monitoring``: whether a promise still holds, outcome by outcome
"""
