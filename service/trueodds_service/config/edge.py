"""Who may ask, and how the service is watched."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator

from trueodds_service.caller import Permission
from trueodds_service.config.section import Section, check_tenant


class Tls(Section):
    """Certificates, in files that are read again when they change: PEM, without a passphrase."""

    cert: Path
    """What the service shows: its certificate, then those between it and its CA; relative to the
    configuration file, as the others."""
    key: Path
    """The key of ``cert``."""
    client_ca: Path | None = None
    """The CA that clients' certificates have to be from. With it, every client has to show one."""


class RequestLog(StrEnum):
    """Which requests a line of the log is written of."""

    ALL = "all"
    FAILED = "failed"
    NONE = "none"


class Observability(Section):
    """How the service is watched."""

    log_requests: RequestLog = RequestLog.FAILED
    """A line for each request as it ends, for those that failed, or for none: its id, method,
    caller, status, reason, time and counts, and nothing of what was asked."""

    tenants: int = Field(default=0, ge=0, le=1000)
    """How many tenants, the first that ask, have numbers of their own in the metrics; the others
    share theirs."""


class CertificateClient(Section):
    """A client that is known by its certificate."""

    certificate: str = Field(min_length=1)
    """A name that its certificate is for: a SPIFFE id or another URI, or a DNS name."""
    tenant: str = ""
    """Whose calibrators it sees and fits."""
    can: tuple[Permission, ...] = (Permission.SCORE,)
    """What it may do: score, fit, admin."""

    @field_validator("tenant")
    @classmethod
    def _check_tenant(cls, tenant: str) -> str:
        return check_tenant(tenant)


class TracingSettings(Section):
    """Traces of requests, for a collector of OpenTelemetry's."""

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$")
    """Where it takes OTLP over gRPC, such as http://127.0.0.1:4317."""
    share: float = Field(default=0.01, ge=0, le=1)
    """The share that is traced of requests whose callers do not say whether to trace them."""
