"""How calls reach the server: blocking, or by an event loop."""
