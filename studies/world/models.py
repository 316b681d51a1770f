"""The models of the study: the demo pair, two pre-trained ones of other sizes, and adapters."""

from dataclasses import dataclass
from pathlib import Path

from studies.paper.schemes import TRAINED
from trueodds_demo.service import MODELS
from trueodds_demo.training.settings import Shape

SHIPPED = Path(__file__).parent / "weights"

BASE, SMALL, LARGE, DEMO = "base", "small", "large", "demo-aligned"
# Beside the demo's own of 2.5 million parameters: 0.6, and 4.3.
SHAPES = {
    SMALL: Shape(hidden=128, intermediate=344, layers=2, heads=2, key_value_heads=2),
    LARGE: Shape(hidden=256, intermediate=688, layers=5, heads=4, key_value_heads=4),
}
SIZES = (SMALL, BASE, LARGE)


@dataclass(frozen=True)
class Weights:
    """A model's folder, and that of the adapter on it."""

    model: Path
    adapter: Path | None = None


def weights(folder: Path = SHIPPED) -> dict[str, Weights]:
    """All models by name: the pre-trained by size, then the aligned."""
    base = MODELS / "base"
    return {
        SMALL: Weights(folder / SMALL),
        BASE: Weights(base),
        LARGE: Weights(folder / LARGE),
        DEMO: Weights(MODELS / "aligned"),
        **{scheme: Weights(base, folder / scheme) for scheme in TRAINED},
    }
