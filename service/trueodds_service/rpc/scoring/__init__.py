"""ScoringService: messages in, answers out."""
