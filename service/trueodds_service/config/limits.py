"""How much may be asked for."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from trueodds_service.config.section import Section, check_tenant


class Limits(Section):
    """What one request may hold. More is an error; nothing is ever cut off."""

    max_items: int = Field(default=1024, ge=1)
    """Questions of a batch, or rows of scores to calibrate."""
    max_fit_items: int = Field(default=100_000, ge=1)
    """Items of a fit or an evaluation, which are scored a few at a time."""
    max_options: int = Field(default=128, ge=2, le=128)
    max_shots: int = Field(default=64, ge=0)
    max_stream_batches: int = Field(default=32, ge=1)
    """Batches of one stream that are under way at once; its next message waits unread."""
    max_message_mib: int = Field(default=16, ge=1, le=512)
    """The largest request; an answer is as large as what was asked makes it."""
    max_fit_mib: int = Field(default=256, ge=1, le=4096)
    """All messages of one fit or evaluation that is sent as a stream."""
    max_stream_mib: int = Field(default=1024, ge=1)
    """Messages of all streams that a gateway holds, and answers that wait to be taken. While it
    has so much, a stream reads its next message only when it holds none, and a fit or an
    evaluation that is sent as a stream is refused."""
    stream_idle_seconds: float = Field(default=600.0, gt=0)
    """How long a stream of ``StreamScore`` may have nothing under way and send nothing before it is
    ended; and how long the caller of any stream may take none of its answers."""
    max_tokens: int = Field(default=8_000_000, ge=1)
    """Tokens of all prompts of a request, or of a batch of a stream; each question in each of the
    orders that it is asked in."""
    max_concurrent_requests: int = Field(default=256, ge=1, le=1_000_000)
    """Requests that a gateway works on at once; to more it answers RESOURCE_EXHAUSTED at once."""
    max_tokens_under_way: int = Field(default=16_000_000, ge=1)
    """Tokens of prompts that a gateway works on at once; a new request that comes when there are as
    many, or would make them more, gets the same answer. What has begun goes on, and what is all
    that its tenant asks may be larger."""
    max_calibrators: int = Field(default=10_000, ge=1)
    """Calibrators that a tenant has at once, deleted ones aside: every gateway holds those that are
    active."""
    max_connections: int = Field(default=2048, ge=1, le=1_000_000)
    """Connections that each door of a gateway holds; more are closed as they are opened."""

    @model_validator(mode="after")
    def _check_streams(self) -> Self:
        if self.max_stream_mib < self.max_fit_mib:
            raise ValueError(
                f"max_stream_mib is {self.max_stream_mib}, and one fit may have max_fit_mib, "
                f"{self.max_fit_mib}"
            )
        return self


class Rates(Section):
    """How much may be asked for in a minute, on average; what is left out has no limit."""

    requests: float | None = Field(default=None, gt=0)
    """Calls of any method; a stream is one."""
    questions: float | None = Field(default=None, gt=0)
    """Questions that an engine is asked, those of fits and evaluations among them."""
    prompt_tokens: float | None = Field(default=None, gt=0)
    """Tokens of their prompts, each as often as it is asked."""

    @property
    def are_unlimited(self) -> bool:
        return self.requests is self.questions is self.prompt_tokens is None


class Quota(Section):
    """What a tenant may ask for."""

    tenant: Rates = Rates()
    """All of its callers together."""
    key: Rates = Rates()
    """Each of its callers by itself: a key, by its name, or a certificate."""
    burst_seconds: float = Field(default=60.0, gt=0, le=86_400)
    """A caller that has asked for nothing may ask at once for what this time brings."""


class TenantQuota(Quota):
    """What one tenant may ask for."""

    name: str
    """The tenant. What is left out here has no limit, whatever ``default`` says."""

    @field_validator("name")
    @classmethod
    def _check_tenant(cls, name: str) -> str:
        return check_tenant(name)


class QuotaSettings(Section):
    """How much tenants and keys may ask for, of all gateways of the service together."""

    default: Quota = Quota()
    """The quota of each tenant that ``tenants`` does not name."""
    tenants: tuple[TenantQuota, ...] = ()
    """Tenants with quotas of their own."""

    @field_validator("tenants")
    @classmethod
    def _check_names(cls, tenants: tuple[TenantQuota, ...]) -> tuple[TenantQuota, ...]:
        names = [each.name for each in tenants]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the tenant {min(twice)!r} is named twice")
        return tenants
