"""Every call of the client, written once, for both of its faces."""
