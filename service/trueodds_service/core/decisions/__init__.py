"""From probabilities to decisions with a guarantee."""
