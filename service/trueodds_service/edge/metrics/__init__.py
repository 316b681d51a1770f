"""Metrics for Prometheus: what each process counts, and the one page of all processes of a node."""
