"""The two contracts for decisions: ``/v1/decisions`` and ``/v1/systemone``."""
