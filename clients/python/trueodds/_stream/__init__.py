"""What of a batch is under way: sent, sent again, given up."""
