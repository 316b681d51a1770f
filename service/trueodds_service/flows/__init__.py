"""The paths of the service, each to be read in one go: a score, a fit, an evaluation and others."""
