"""Reads token logprobs: vLLM, or a deterministic fake for fast tests."""
