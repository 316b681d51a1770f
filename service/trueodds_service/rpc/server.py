"""The gRPC server: services, health, reflection, and one place where errors become statuses."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from trueodds.v1 import (
    calibration_pb2_grpc,
    model_pb2_grpc,
    scoring_pb2_grpc,
)
from trueodds_service.config import Settings
from trueodds_service.edge.arrival import REQUEST_ID, Arrival
from trueodds_service.edge.gate import Gate
from trueodds_service.edge.identity.identities import TENANT
from trueodds_service.edge.time_limits import taken
from trueodds_service.edge.tls import Certificates
from trueodds_service.errors import InvalidInput, ServiceError
from trueodds_service.flows.catalog import Catalog, State
from trueodds_service.rpc.credentials import names_of_client, server_credentials
from trueodds_service.rpc.health import SERVICES
from trueodds_service.rpc.health import health as health_of
from trueodds_service.rpc.services import Services
from trueodds_service.rpc.status import Context, fail

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"

# Clients ask once a minute whether a silent connection lives (trueodds._channel), which gRPC would
# take for an attack; and a client that vanished without a word is noticed as soon.
_KEEPALIVE = (
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_LEAST_STREAMS = 128
# What of a call's metadata says who asks.
_ONCE = ("authorization", TENANT)
# How long requests that outlast the grace of a stop have to hear of it.
_LAST_WORD_SECONDS = 1.0


def _streams(requests: int) -> int:
    """How many calls one connection may have: more wait in the client that makes them.

    What arrives faster than it is taken in waits in one queue of gRPC's for all connections, and
    who is in it for half a minute is CANCELLED: no connection may fill it alone. The gate refuses
    in words what is more than its own limit, for which there has to be room.
    """
    return max(_LEAST_STREAMS, 2 * requests)


class Server:
    """A running gRPC server. Make and use it inside one event loop."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        services: Services,
        gate: Gate,
        certificates: Certificates | None = None,
    ) -> None:
        """With ``certificates`` it speaks TLS, else in the clear."""
        limits = settings.limits
        self._catalog = catalog
        self._gate = gate
        self._server = grpc.aio.server(
            interceptors=[_Guard(gate, limits.stream_idle_seconds)],
            options=[
                # For requests only: an answer too large to be sent would end its whole stream.
                ("grpc.max_receive_message_length", limits.max_message_mib * 2**20),
                ("grpc.max_allowed_incoming_connections", limits.max_connections),
                ("grpc.max_concurrent_streams", _streams(limits.max_concurrent_requests)),
                # For gateways of one service, whose starter holds the port against others.
                ("grpc.so_reuseport", int(settings.gateways is not None)),
                *_KEEPALIVE,
            ],
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(services.scoring, self._server)
        calibration_pb2_grpc.add_CalibrationServiceServicer_to_server(
            services.calibration, self._server
        )
        model_pb2_grpc.add_ModelServiceServicer_to_server(services.models, self._server)
        names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        host, _, _ = settings.listen.rpartition(":")
        if certificates is None:
            self.port = self._server.add_insecure_port(settings.listen)
        else:
            credentials = server_credentials(certificates)
            self.port = self._server.add_secure_port(settings.listen, credentials)
        self.address = f"{host}:{self.port}"

    async def start(self) -> None:
        await self._server.start()
        await self.report_health()

    async def report_health(self) -> None:
        """Says what is ready now, by the names of ``rpc.health``."""
        models = {name: state is State.READY for name, state in self._catalog.states().items()}
        for name, is_ready in health_of(models).items():
            serving = health_pb2.HealthCheckResponse.SERVING
            status = serving if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
            await self._health.set(name, status)

    async def stop(self, grace_seconds: float) -> None:
        """Refuses new requests at once, and lets those under way finish for a while.

        Those that do not are told to ask again: gRPC would tell them that they were cancelled.
        """
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(grace_seconds + _LAST_WORD_SECONDS))
        await asyncio.wait([stopping], timeout=grace_seconds)
        self._gate.end()
        await stopping


class _Guard(grpc.aio.ServerInterceptor):
    """Stands before every method of the contract; health and reflection always answer.

    Refuses what is no request; turns the service's errors into statuses, and any other into
    INTERNAL without a word.
    """

    def __init__(self, gate: Gate, idle_seconds: float) -> None:
        self._gate = gate
        self._idle_seconds = idle_seconds

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        name = handler_call_details.method.removeprefix("/")
        if handler is None or not name.startswith("trueodds."):
            return handler
        codecs = (_decoder(handler.request_deserializer), handler.response_serializer)
        if handler.unary_unary is not None:
            method = self._unary(name, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(method, *codecs)
        if handler.unary_stream is not None:
            method = self._stream(name, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(method, *codecs)
        method = self._stream(name, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(method, *codecs)

    def _unary(self, name: str, method: Any) -> Any:
        async def call(request: Any, context: Context) -> Any:
            return await self._ended(
                _arrival(name, context), context, lambda: method(_decoded(request), context)
            )

        return call

    def _stream(self, name: str, method: Any) -> Any:
        # Writes by itself: a generator would learn only later that the caller has left.
        async def call(request: Any, context: Context) -> None:
            await self._ended(
                _arrival(name, context),
                context,
                lambda: self._written(method(_decoded(request), context), context),
            )

        return call

    async def _ended(
        self, arrival: Arrival, context: Context, answer: Callable[[], Awaitable[Any]]
    ) -> Any:
        """What ``answer`` gives, or nothing, and the status of what it raises."""
        try:
            async with self._gate.admitted(arrival):
                return await answer()
        except Exception as error:
            failed = error
        # Not while the error is handled: where the caller has left, gRPC logs what it finds.
        try:
            await fail(context, failed, arrival.request_id)
        finally:
            del failed  # which refers to this frame, and so to itself

    async def _written(self, messages: AsyncGenerator[Any, None], context: Context) -> None:
        has_begun = False
        async with aclosing(messages):
            async for message in messages:
                if not has_begun:
                    # A first message that is not taken leaves gRPC in doubt of them.
                    has_begun = True
                    await context.send_initial_metadata(())
                await taken(context.write(message), self._idle_seconds)


def _arrival(name: str, context: Context) -> Arrival:
    metadata = context.invocation_metadata() or ()
    names = [key for key, _ in metadata]
    arrival = Arrival(
        name,
        metadata={key: value for key, value in metadata if isinstance(value, str)},
        certificate_names=names_of_client(context),
        seconds_left=context.time_remaining(),
        repeated=next((each for each in _ONCE if names.count(each) > 1), ""),
    )
    context.set_trailing_metadata(((REQUEST_ID, arrival.request_id),))
    return arrival


def _decoded(request: Any) -> Any:
    """The request, or a stream of them. Raises what ``_decoder`` found wrong with it."""
    if isinstance(request, ServiceError):
        raise request
    return request


def _decoder(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """``decode``, but bytes that are no message become the error that says so.

    Raised here, gRPC would answer UNKNOWN and log a trace.
    """
    if decode is None:
        return None

    def checked(content: bytes) -> Any:
        try:
            return decode(content)
        except DecodeError:
            return InvalidInput("request", "is not a message of this method", reason="NO_MESSAGE")

    return checked
