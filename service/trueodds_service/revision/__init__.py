"""A model's revision: what has to be the same for its calibrators to hold."""

from trueodds_service.revision.model import (
    check_architecture,
    check_quantization,
    check_weights,
    model_revision,
    quantized_by,
    tokenizer_revision,
)

__all__ = [
    "check_architecture",
    "check_quantization",
    "check_weights",
    "model_revision",
    "quantized_by",
    "tokenizer_revision",
]
