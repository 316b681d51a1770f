"""A model's revision: what has to be the same for its calibrators to hold."""

from trueodds_service.revision.model import (
    check_architecture,
    check_weights,
    model_revision,
    tokenizer_revision,
)

__all__ = ["check_architecture", "check_weights", "model_revision", "tokenizer_revision"]
