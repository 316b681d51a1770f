"""The recipe that trains the demo pair: a calibrated base and an overconfident aligned model."""
