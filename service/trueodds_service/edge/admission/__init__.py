"""How much is let in at once, in what order, and until when."""
