"""What is applied to option scores, and made again from stored parameters."""
