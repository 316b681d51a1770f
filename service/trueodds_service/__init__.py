"""The trueodds service."""
