"""Checks that the service keeps its word: its numbers, and its manners under fire."""
