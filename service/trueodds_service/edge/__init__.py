"""Who may do what, how much and how fast: one implementation under every door."""
