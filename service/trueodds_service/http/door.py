"""Everything that is behind the HTTP door, by path."""

from collections.abc import Callable

from trueodds_service.config import Settings, is_loopback
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.tls import Certificates
from trueodds_service.flows.active_calibrators import Calibrators
from trueodds_service.flows.catalog import Catalog
from trueodds_service.flows.outcomes import Outcomes
from trueodds_service.http.console.site import console_routes
from trueodds_service.http.contract import contract_routes
from trueodds_service.http.decisions.routes import Decisions
from trueodds_service.http.endpoints import Entry
from trueodds_service.http.health import health_routes
from trueodds_service.http.openapi import openapi_route
from trueodds_service.http.server import HttpServer
from trueodds_service.rpc.as_json import JsonMethod


def http_server(
    settings: Settings,
    catalog: Catalog,
    calibrators: Calibrators,
    outcomes: Outcomes,
    methods: list[JsonMethod],
    gate: Gate,
    certificates: Certificates | None,
    metrics: Callable[[], bytes],
) -> HttpServer:
    """The server with all of its routes; with ``certificates`` it speaks TLS. ``metrics`` is what
    the console shows of what is counted."""
    entry = Entry(
        gate, settings.limits.max_message_mib * 2**20, settings.limits.stream_idle_seconds
    )
    own_only = is_loopback(settings.http or "")
    routes = [
        # Looked for in this order.
        *Decisions(settings, catalog, calibrators, outcomes).routes(entry),
        *contract_routes(methods, entry),
        *health_routes(catalog),
        openapi_route(methods),
        *console_routes(methods, calibrators, gate, metrics, is_loopback=own_only),
    ]
    return HttpServer(settings, routes, certificates)
