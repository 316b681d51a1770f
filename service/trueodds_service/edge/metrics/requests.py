"""What a gateway counts of the requests that pass its gate.

No label holds what a caller has made up but a tenant's name, and of these only as many as are
allowed.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from trueodds_service.edge.quotas.account import OverQuota
from trueodds_service.watching import Answered, Stage

# From a question in a warm cache to a fit of minutes; four series a decade would say no more.
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_OTHERS = "others"


class RequestMetrics:
    """Counters and histograms of a gateway."""

    def __init__(self, registry: CollectorRegistry, tenants: int = 0) -> None:
        """At most ``tenants`` tenants, the first that come, have series of their own."""
        self._most_tenants = tenants
        self._tenants: set[str] = set()
        self.under_way = Gauge(
            "trueodds_requests_under_way", "Requests that passed the gate.", registry=registry
        )
        self.tokens_under_way = Gauge(
            "trueodds_tokens_under_way",
            "Tokens of prompts that are made, or that engines are asked for.",
            registry=registry,
        )
        self.stream_bytes = Gauge(
            "trueodds_stream_bytes",
            "Bytes of the messages of streams, and of answers that wait to be taken.",
            registry=registry,
        )
        self._requests = Counter(
            "trueodds_requests_total",
            "Requests that ended, by the status and the reason that the caller was told.",
            ["method", "status", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "trueodds_request_seconds",
            "From a request's arrival to its end; of a stream, to the end of the stream.",
            ["method"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        stages = Histogram(
            "trueodds_stage_seconds",
            "What each part of the way took; a batch of a stream goes it by itself.",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage.value) for stage in Stage}
        self._questions = Counter(
            "trueodds_questions_total",
            "Questions, by what became of them: calibrated, raw or failed.",
            ["model", "outcome"],
            registry=registry,
        )
        self._failures = Counter(
            "trueodds_question_failures_total",
            "Questions that failed by themselves, by the reason that the caller was told.",
            ["model", "reason"],
            registry=registry,
        )
        self._prompt_tokens = Counter(
            "trueodds_prompt_tokens_total",
            "Tokens of the prompts that were answered, in every order that they were asked in.",
            ["model"],
            registry=registry,
        )
        self._of_tenants = Counter(
            "trueodds_tenant_requests_total",
            "Requests of a tenant that ended, by status.",
            ["tenant", "status"],
            registry=registry,
        )
        self._questions_of_tenants = Counter(
            "trueodds_tenant_questions_total",
            "Questions of a tenant, by what became of them.",
            ["tenant", "outcome"],
            registry=registry,
        )
        self._over_quota = Counter(
            "trueodds_quota_refusals_total",
            "Requests, and batches of streams, that a quota refused: whose, and of what.",
            ["whose", "what"],
            registry=registry,
        )

        # The series of some labels: the library looks for them with a lock and a copy.
        self._requests_of = cache(self._requests.labels)
        self._seconds_of = cache(self._seconds.labels)
        self._questions_of = cache(self._questions.labels)
        self._prompt_tokens_of = cache(self._prompt_tokens.labels)

    def ended(self, method: str, status: str, reason: str, tenant: str, seconds: float) -> None:
        self._requests_of(method, status, reason).inc()
        self._seconds_of(method).observe(seconds)
        if self._most_tenants:
            self._of_tenants.labels(self._known(tenant), status).inc()

    def passed(self, stage: Stage, seconds: float) -> None:
        self._stages[stage].observe(seconds)

    def answered(self, answered: Answered, tenant: str) -> None:
        model, failed = answered.model, sum(answered.failed.values())
        counts = {"calibrated": answered.calibrated, "raw": answered.raw, "failed": failed}
        for outcome, count in counts.items():
            if count:
                self._questions_of(model, outcome).inc(count)
                if self._most_tenants:
                    self._questions_of_tenants.labels(self._known(tenant), outcome).inc(count)
        for reason, count in answered.failed.items():
            self._failures.labels(model, reason).inc(count)
        self._prompt_tokens_of(model).inc(answered.prompt_tokens)

    def over_quota(self, error: OverQuota) -> None:
        self._over_quota.labels(error.subject.kind, error.what.value).inc()

    def _known(self, tenant: str) -> str:
        if tenant not in self._tenants:
            if len(self._tenants) >= self._most_tenants:
                return _OTHERS
            self._tenants.add(tenant)
        return tenant
