"""What the application and its deployments are called in Serve."""

APP = "trueodds"
GATEWAY = "gateway"
DIRECTORY = "directory"
ENGINE = "engine-"
"""And the model's name."""
