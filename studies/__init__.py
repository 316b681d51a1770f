"""Experiments: how calibrators behave from a handful of questions. See studies/README.md."""
