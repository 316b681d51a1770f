"""The generated stubs of `proto/trueodds/v1`. Never edited: run `make proto`."""
