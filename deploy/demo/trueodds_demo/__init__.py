"""The demo: an invented world, a pair of models trained on it, and the run that repairs one."""
