"""How much a tenant may ask for, and a key: token buckets that all gateways draw from."""
