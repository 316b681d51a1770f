"""How good probabilities are: measures, their intervals, noise floors and bins."""
