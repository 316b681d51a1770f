"""Speed, measured side by side with what trueodds is built on. Run by `make bench`."""
