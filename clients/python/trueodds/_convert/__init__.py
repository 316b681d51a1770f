"""Python ↔ messages, for both clients."""
