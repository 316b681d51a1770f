"""Option logprobs from vLLM: the only home of vllm."""
