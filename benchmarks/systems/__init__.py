"""What is measured: vLLM, what is built on it, and the service. One module a system."""
