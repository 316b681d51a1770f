"""What holds for decisions, outcomes and alerts."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from trueodds_service.config.section import Section


class OutcomeSettings(Section):
    """For how long outcomes are kept."""

    keep_days: float = Field(default=400.0, gt=0, le=100_000)
    """Since it was told."""
    at_most: int = Field(default=1_000_000, ge=1, le=10**12)
    """How many are kept, of some hundred bytes each. Where there are more, the oldest go of those
    tenants that have more than an equal share."""


class AnswerSettings(Section):
    """For how long answers wait in the store for their outcomes, where a caller has them kept."""

    keep_days: float = Field(default=90.0, gt=0, le=100_000)
    """Since they were given."""
    at_most: int = Field(default=1_000_000, ge=1, le=10**12)
    """How many wait; where there are more, the same holds."""


class AuditSettings(Section):
    """For how long the audit log is kept."""

    keep_days: float | None = Field(default=400.0, ge=1, le=100_000)
    """null: for ever. What is forgotten is told in the audit log itself."""


class Webhook(Section):
    """Who is told of alerts: JSON is posted there, signed as Standard Webhooks has it."""

    url: str
    """https://…, or http://… where nobody else can listen. Redirects are not followed."""
    secret_file: Path | None = None
    """The file with the secret, in base64 and of at least 24 bytes, also after ``whsec_``; relative
    to the configuration file."""
    secret_env: str | None = None
    """The environment variable with it, in place of a file."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("has to be https://HOST/PATH, without a user")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("has to be of ASCII letters, other ones percent-encoded")
        _ = parts.port  # raises a ValueError where it is none
        return url

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("takes either secret_file or secret_env")
        return self


class ProposalSettings(Section):
    """What is proposed in the place of a calibrator that no longer holds."""

    min_outcomes: int = Field(default=400, ge=20, le=4000)
    """Outcomes since the alert that it takes: it is fitted on the first half of those there are,
    and compared with the present calibrator on the other."""
    activate: bool = False
    """Activate it where its Brier score is better on the outcomes that it was not fitted on, the
    95 % interval of the difference telling so, and its fit is not degenerate."""


class AlertSettings(Section):
    """Whether active calibrators still hold is looked at by every gateway, without being asked."""

    check_seconds: float = Field(default=60.0, ge=0.1, le=3600)
    """How often it looks at what was told since."""
    webhook: Webhook | None = None
    """Left out, nobody is told but the log, the metrics and who asks."""
    proposal: ProposalSettings = ProposalSettings()


class DecisionSettings(Section):
    """What holds for decisions where neither a request nor the model's own settings say."""

    min_option_mass: float = Field(default=0.01, ge=0, le=1)
    """A question is refused whose labels hold less of the probability of what follows."""


class ModelDecisionSettings(Section):
    """What holds for the decisions of one model where a request does not say."""

    min_option_mass: float | None = Field(default=None, ge=0, le=1)
    """As that of all models; left out, that holds."""
