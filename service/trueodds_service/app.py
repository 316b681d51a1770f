"""The composition root: the whole service but for the processes that its engines run in."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from trueodds_service.config import AlertSettings, Settings
from trueodds_service.edge.admission.work import Work
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import Everybody, Identities, KnownClients
from trueodds_service.edge.identity.known_keys import KnownKeys
from trueodds_service.edge.metrics.process import ProcessMetrics
from trueodds_service.edge.metrics.requests import RequestMetrics
from trueodds_service.edge.metrics.state import GatewayState, StateCollector, of_state
from trueodds_service.edge.quotas.quotas import Quotas
from trueodds_service.edge.tls import Certificates
from trueodds_service.edge.tracing import Tracing
from trueodds_service.edge.watch import Watch
from trueodds_service.edge.webhook import WebhookClient
from trueodds_service.engine.base import Engine, EngineInfo
from trueodds_service.errors import ModelFault
from trueodds_service.flows import audit, deliveries
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.alerts import Alerts
from trueodds_service.flows.catalog import Cascade, Catalog, ModelEntry, ServedModel
from trueodds_service.flows.checks import Checks
from trueodds_service.flows.deliveries import Deliveries
from trueodds_service.flows.following import follow
from trueodds_service.flows.outcomes import FORGET_SECONDS, Bounds, Outcomes
from trueodds_service.flows.promises import Promise
from trueodds_service.flows.proposals import Proposals
from trueodds_service.http.door import http_server
from trueodds_service.http.server import HttpServer
from trueodds_service.prompts.tokenizer import PromptTokenizer
from trueodds_service.revision import model_revision, tokenizer_revision
from trueodds_service.rpc.as_json import json_methods
from trueodds_service.rpc.server import Server
from trueodds_service.rpc.services import Services
from trueodds_service.store import (
    SqlAlertStore,
    SqlCalibratorStore,
    SqlCheckStore,
    SqlKeyStore,
    SqlOutcomeStore,
    upgrade,
)

# One place for the token that is read, one for an identifier that is forced before it.
_ANSWER_TOKENS = 2

Repeated: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""What goes on by itself while the service runs."""


def load_tokenizer(
    weights: Path,
    max_prompt_tokens: int,
    adapter: Path | None = None,
    vocabulary: int | None = None,
) -> PromptTokenizer:
    """The tokenizer of a model or its adapter. Raises ModelFault, with the cause and path."""
    try:
        return PromptTokenizer.load(weights, max_prompt_tokens, adapter, vocabulary)
    except Exception as error:
        # Only the first line: what follows is advice about a hub that is not asked here.
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFault(f"its tokenizer cannot be loaded: {said} ({weights})") from error


class App:
    """Catalog, calibrators and the servers of both doors, wired together.

    It answers health and models from the start, and scores with a model once ``model_ready``
    was called for it. Make and use it inside one event loop.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: ProcessMetrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """``metrics`` are those of this process, where others of its node have some, too; with
        ``tracing`` requests leave spans.
        """
        self.metrics = metrics or ProcessMetrics("gateway")
        self._models = {model.name: model for model in settings.models}
        self._catalog = _catalog(settings)
        self._store = SqlCalibratorStore(settings.store, settings.limits.max_calibrators)
        self._calibrators = Calibrators(self._store, lambda: upgrade(settings.store))
        outcome_store = SqlOutcomeStore(settings.store)
        self._outcomes = Outcomes(outcome_store)
        self._audit = audit.AuditRetention(settings.store)
        webhook = None if settings.alerts is None else settings.alerts.webhook
        self._alerts = Alerts(
            SqlAlertStore(settings.store),
            outcome_store,
            self._calibrators,
            deliver=webhook is not None,
        )
        proposals = self._proposals(settings.alerts or AlertSettings())
        self._checks = Checks(
            SqlCheckStore(settings.store), self._catalog, self._calibrators, self._alerts, proposals
        )
        self._repeated = [*self._forgetting(settings), *self._watching(settings.alerts, proposals)]
        self._background: list[asyncio.Task[None]] = []
        self._identities = _identities(settings)
        self._certificates = Certificates(settings.tls) if settings.tls is not None else None
        self.metrics.registry.register(StateCollector(lambda: of_state(self._state())))
        requests = RequestMetrics(self.metrics.registry, settings.observability.tenants)
        self.quotas = Quotas(settings.quotas, requests.over_quota)
        gate = self._gate(settings, requests, tracing)
        self._server, self._http = self._doors(settings, gate)

    def _proposals(self, settings: AlertSettings) -> Proposals:
        return Proposals(
            self._alerts,
            self._calibrators,
            min_outcomes=settings.proposal.min_outcomes,
            activate=settings.proposal.activate,
            again_seconds=settings.check_seconds,
        )

    def _forgetting(self, settings: Settings) -> Iterator[Repeated]:
        """What is kept for some time only."""
        outcomes, answers = (
            Bounds(timedelta(days=each.keep_days), each.at_most)
            for each in (settings.outcomes, settings.answers)
        )
        forget = partial(self._outcomes.forget, outcomes, answers)
        yield partial(follow, forget, self._outcomes.forgetting, FORGET_SECONDS)
        if settings.audit.keep_days is not None:
            forget = partial(self._audit.forget, timedelta(days=settings.audit.keep_days))
            yield partial(follow, forget, self._audit.calls, audit.FORGET_SECONDS)

    def _watching(self, settings: AlertSettings | None, proposals: Proposals) -> Iterator[Repeated]:
        """What is done about calibrators that may no longer hold."""
        if settings is None:
            return
        calls = self._alerts.calls
        yield partial(follow, self._alerts.look, calls, settings.check_seconds)
        yield partial(follow, proposals.propose, calls, settings.check_seconds)
        if settings.webhook is not None:
            told = Deliveries(self._alerts, WebhookClient(settings.webhook).post)
            yield partial(follow, told.deliver, calls, deliveries.POLL_SECONDS)

    def _gate(self, settings: Settings, requests: RequestMetrics, tracing: Tracing | None) -> Gate:
        work = Work(settings.limits, self.quotas)
        requests.tokens_under_way.set_function(lambda: work.tokens.number)
        requests.stream_bytes.set_function(lambda: work.streamed.number)
        watch = Watch(requests, settings.observability.log_requests, tracing)
        return Gate(settings.limits.max_concurrent_requests, self._identities, watch, work)

    def _doors(self, settings: Settings, gate: Gate) -> tuple[Server, HttpServer | None]:
        certificates = self._certificates
        services = Services.of(
            settings, self._catalog, self._calibrators, self._outcomes, self._alerts, self._checks
        )
        server = Server(settings, self._catalog, services, gate, certificates)
        if settings.http is None:
            return server, None
        return server, http_server(
            settings,
            self._catalog,
            self._calibrators,
            self._outcomes,
            json_methods(services),
            gate,
            certificates,
            self.metrics.node,
        )

    @property
    def address(self) -> str:
        """Where the gRPC server listens."""
        return self._server.address

    @property
    def http_address(self) -> str | None:
        """Where the HTTP server listens, if there is one."""
        return None if self._http is None else self._http.address

    async def start(self) -> None:
        """Listens, once it knows what its models are, also while the store is away.

        Raises ConfigError where it cannot, and StoreError where the store cannot be used.
        """
        await self.find_revisions()
        await self._calibrators.open()
        await self._identities.start()
        going_on = [self._calibrators.follow, *self._repeated]
        self._background = [asyncio.create_task(each()) for each in going_on]
        await self._server.start()
        if self._http is not None:
            await self._http.start()

    async def find_revisions(self) -> dict[str, str]:
        """Each model's, by its weights on this machine. Raises ConfigError.

        Reads them once, which takes minutes where nobody has read them here before.
        """
        await asyncio.to_thread(self._read_weights)
        return {entry.name: entry.revision for entry in self._catalog}

    def _read_weights(self) -> None:
        for entry in self._catalog:
            if not entry.revision:
                model = self._models[entry.name]
                entry.tokenizer_revision = tokenizer_revision(model.weights, model.adapter)
                entry.revision = model_revision(
                    model.weights, model.adapter, quantization=model.quantization
                )

    async def model_ready(self, name: str, engine: Engine, info: EngineInfo) -> None:
        """From now on ``engine`` answers for the model. Raises ModelFault if it cannot."""
        max_prompt_tokens = info.max_tokens - _ANSWER_TOKENS
        model = self._models[name]
        tokenizer = await asyncio.to_thread(
            load_tokenizer, model.weights, max_prompt_tokens, model.adapter, info.vocabulary
        )
        served = ServedModel(tokenizer, engine, info, max_prompt_tokens)
        self._catalog.find(name).came_up(served)
        await self._server.report_health()

    async def model_lost(self, name: str) -> None:
        """Until ``model_ready`` is called again, requests wait, or are told to come back."""
        self._catalog.find(name).lost()
        await self._server.report_health()

    async def model_failed(self, name: str, cause: str) -> None:
        """Until ``model_ready`` is called for it, requests for the model are told the cause."""
        self._catalog.find(name).failed(cause)
        await self._server.report_health()

    def states(self) -> dict[str, tuple[str, str]]:
        """Each model's state (STARTING, READY, LOST, FAILED), and why it is not ready."""
        return {entry.name: (entry.state.name, entry.cause) for entry in self._catalog}

    def _state(self) -> GatewayState:
        active, damaged = self._calibrators.counts()
        models = {name: state for name, (state, _) in self.states().items()}
        alerted = self._alerts.counts()
        certificates = self._certificates
        return GatewayState(
            models=models,
            active=active,
            damaged=damaged,
            alerted={(m, test): alerted.get((m, test), 0) for m in models for test in Promise},
            snapshot_seconds=self._calibrators.known_seconds,
            is_stale=self._calibrators.stale,
            certificate_seconds={} if certificates is None else certificates.seconds_left(),
        )

    async def stop(self, grace_seconds: float) -> None:
        """Gives requests under way ``grace_seconds`` to finish, then stops."""
        stopping = [self._server.stop(grace_seconds)]
        if self._http is not None:
            stopping.append(self._http.stop(grace_seconds))
        await asyncio.gather(*stopping)
        for task in self._background:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._identities.close()
        for each in (self._calibrators, self._checks, self._alerts, self._outcomes, self._audit):
            each.close()
        self._store.close()


def _catalog(settings: Settings) -> Catalog:
    """What is configured; revisions are found, and engines come, later."""
    entries = {
        model.name: ModelEntry(
            name=model.name,
            revision="",
            tokenizer_revision="",
            teacher=model.teacher,
            base=model.base,
            price=1.0 if model.price is None else model.price,
            min_option_mass=(
                settings.decisions.min_option_mass
                if model.decisions.min_option_mass is None
                else model.decisions.min_option_mass
            ),
        )
        for model in settings.models
    }
    cascades = [
        Cascade(each.name, tuple(entries[name] for name in each.models))
        for each in settings.cascades
    ]
    return Catalog(entries, cascades)


def _identities(settings: Settings) -> Identities:
    if settings.access == "open":
        return Everybody()
    return KnownClients(KnownKeys(SqlKeyStore(settings.store)), settings.clients)
