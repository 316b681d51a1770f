"""The service's configuration: one YAML file, validated whole before anything starts."""

from trueodds_service.config.edge import (
    CertificateClient,
    Observability,
    RequestLog,
    Tls,
    TracingSettings,
)
from trueodds_service.config.engines import FakeSettings, Scaling, VllmSettings
from trueodds_service.config.flows import (
    AlertSettings,
    AnswerSettings,
    AuditSettings,
    DecisionSettings,
    ModelDecisionSettings,
    OutcomeSettings,
    ProposalSettings,
    Webhook,
)
from trueodds_service.config.limits import Limits, Quota, QuotaSettings, Rates, TenantQuota
from trueodds_service.config.models import (
    MODEL_NAME,
    MOST_CASCADED,
    CascadeSettings,
    ModelSettings,
)
from trueodds_service.config.reading import MAX_LORA_RANK, load, read
from trueodds_service.config.settings import Settings, is_loopback

__all__ = [
    "MAX_LORA_RANK",
    "MODEL_NAME",
    "MOST_CASCADED",
    "AlertSettings",
    "AnswerSettings",
    "AuditSettings",
    "CascadeSettings",
    "CertificateClient",
    "DecisionSettings",
    "FakeSettings",
    "Limits",
    "ModelDecisionSettings",
    "ModelSettings",
    "Observability",
    "OutcomeSettings",
    "ProposalSettings",
    "Quota",
    "QuotaSettings",
    "Rates",
    "RequestLog",
    "Scaling",
    "Settings",
    "TenantQuota",
    "Tls",
    "TracingSettings",
    "VllmSettings",
    "Webhook",
    "is_loopback",
    "load",
    "read",
]
