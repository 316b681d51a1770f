"""What holds for decisions and outcomes."""

from pydantic import Field

from trueodds_service.config.section import Section


class OutcomeSettings(Section):
    """How long it is kept what became of answers."""

    keep_days: float = Field(default=400.0, gt=0, le=100_000)
    """Since it was told."""
    at_most: int = Field(default=1_000_000, ge=1, le=10**12)
    """So many of all calibrators and tenants, the newest: some hundred bytes each."""


class DecisionSettings(Section):
    """What holds for decisions where a request does not say."""

    min_option_mass: float = Field(default=0.01, ge=0, le=1)
    """A question is refused whose labels hold less of the probability of what follows."""
