"""What an operator does with the store itself, beside any service."""
