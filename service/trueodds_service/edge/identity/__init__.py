"""Who asks, and what they may: by a key, or by the names in a certificate."""
