"""What travels between a gateway and an engine's process."""
