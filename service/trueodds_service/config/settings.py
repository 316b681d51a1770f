"""The whole configuration."""

import ipaddress
import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trueodds_service.config.edge import CertificateClient, Observability, Tls, TracingSettings
from trueodds_service.config.flows import (
    AlertSettings,
    AnswerSettings,
    AuditSettings,
    DecisionSettings,
    OutcomeSettings,
)
from trueodds_service.config.limits import Limits, QuotaSettings
from trueodds_service.config.models import CascadeSettings, ModelSettings
from trueodds_service.config.section import Section

_LOCALHOST = "127.0.0.1"
# Who listens here has the port of all addresses.
_EVERYWHERE = {"0.0.0.0", "[::]"}  # noqa: S104 (nobody listens by this)


class Settings(Section):
    """The whole configuration."""

    listen: str = "127.0.0.1:50051"
    """Address and port. Port 0 takes a free one. The address NODE is the one that Ray knows each
    node of a cluster by."""
    http: str | None = None
    """Address and port of the HTTP door, as ``listen`` has them; left out, there is none."""
    metrics: str | None = None
    """Address and port where each node answers Prometheus at ``/metrics``, for all of its processes
    and over plain HTTP: numbers, and the names of models and tenants, for whoever reaches it."""
    store: str = "sqlite:///trueodds.sqlite"
    """A database URL: ``sqlite:///FILE``, relative to the configuration file, or, for several
    machines, ``postgresql://USER:PASSWORD@HOST/DATABASE``."""
    models: tuple[ModelSettings, ...] = Field(min_length=1)
    cascades: tuple[CascadeSettings, ...] = ()
    """Names under which some of the models answer in turn: docs/cascades.md."""
    limits: Limits = Limits()
    quotas: QuotaSettings = QuotaSettings()
    decisions: DecisionSettings = DecisionSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    answers: AnswerSettings = AnswerSettings()
    audit: AuditSettings = AuditSettings()
    alerts: AlertSettings | None = AlertSettings()
    """null: the service does not look by itself whether calibrators still hold."""
    tls: Tls | None = None
    """TLS, 1.2 or later, for all that it listens at. Left out, it answers in the clear."""
    insecure: Literal[False, True, "metrics"] = False
    """Listen for other machines without TLS, or without knowing who asks: for a network, or behind
    a proxy, that keeps everybody else away. metrics: with nothing but the numbers."""
    observability: Observability = Observability()
    tracing: TracingSettings | None = None
    """Left out, there are no traces. Needs the extra ``tracing``."""
    access: Literal["open", "keys"] = "open"
    """keys: who asks has to show a key of ``trueodds keys``, or a certificate of ``clients``. open:
    anyone may do anything."""
    clients: tuple[CertificateClient, ...] = ()
    """Those who are known by a certificate, where ``access`` is keys."""
    gateways: int | None = Field(default=None, ge=1, le=64)
    """Processes that answer at the address, on each node, each the whole service but for its
    engines; the kernel deals connections out among them. Left out, as many as the node with the
    most GPUs has, from one to four."""
    require_calibrated: bool = False
    """Refuse questions that no calibrator applies to, where a request does not say."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_bases(cls, content: Any) -> Any:
        """Gives each adapter the weights and the engine of its base."""
        models = content.get("models") if isinstance(content, dict) else None
        if not isinstance(models, list | tuple) or not all(isinstance(m, dict) for m in models):
            return content
        by_name = {str(model.get("name")): model for model in models if "base" not in model}
        filled = []
        for place, model in enumerate(models):
            if "base" not in model and "adapter" not in model:
                filled.append(model)
                continue
            for name in ("base", "adapter"):
                if name not in model:
                    raise ValueError(f"models.{place}: an adapter needs {name}")
            if own := model.keys() & {"weights", "engine"}:
                raise ValueError(f"models.{place}.{min(own)}: an adapter has its base's")
            base = by_name.get(str(model["base"]))
            if base is None or "adapter" in base:
                raise ValueError(f"models.{place}.base: {model['base']!r} is no model with weights")
            inherited = {name: base[name] for name in ("weights", "engine") if name in base}
            filled.append({**model, **inherited})
        return {**content, "models": filled}

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [model.name for model in self.models]
        self._check_models(names)
        self._check_cascades(names)
        self._check_clients()
        if self.quotas != QuotaSettings() and self.access != "keys":
            raise ValueError("quotas: they go with access: keys, which tells who asks")
        _check_address("listen", self.listen)
        self._refuse_if_open("listen", self.listen)
        if self.http is not None:
            _check_address("http", self.http)
            self._refuse_if_open("http", self.http)
            if _are_one(self.http, self.listen):
                raise ValueError(f"http: {self.http} is where gRPC listens")
        if self.metrics is not None:
            _check_address("metrics", self.metrics)
            if not (self.insecure or is_loopback(self.metrics)):
                raise ValueError(
                    f"metrics: {self.metrics!r} is open to other machines, without TLS and for "
                    "anybody: listen at 127.0.0.1; or say insecure: metrics, where everybody who "
                    "can reach it may read the names of models and tenants"
                )
            if any(_are_one(self.metrics, each) for each in (self.listen, self.http) if each):
                raise ValueError(f"metrics: {self.metrics} is where callers are answered")
        return self

    def _check_models(self, names: list[str]) -> None:
        if duplicates := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"models: the name {sorted(duplicates)[0]!r} is used twice")
        for model in self.models:
            if model.teacher is not None and model.teacher not in names:
                raise ValueError(
                    f"models: the teacher {model.teacher!r} of {model.name!r} is not a model here"
                )
        lacking = [model.name for model in self.models if model.price is None]
        if 0 < len(lacking) < len(names):
            raise ValueError(f"models: {lacking[0]!r} has no price, and others have one")

    def _check_cascades(self, models: list[str]) -> None:
        taken = set(models)
        for place, cascade in enumerate(self.cascades):
            if cascade.name in taken:
                raise ValueError(f"cascades.{place}.name: {cascade.name!r} is used twice")
            taken.add(cascade.name)
            for number, name in enumerate(cascade.models):
                if name not in models:
                    raise ValueError(f"cascades.{place}.models.{number}: {name!r} is no model here")

    def _check_clients(self) -> None:
        if self.clients and self.access != "keys":
            raise ValueError("clients: they go with access: keys")
        if self.clients and not (self.tls and self.tls.client_ca):
            raise ValueError("clients: without tls.client_ca nobody shows a certificate")
        certificates = [each.certificate for each in self.clients]
        if twice := {each for each in certificates if certificates.count(each) > 1}:
            raise ValueError(f"clients: the certificate {min(twice)!r} is named twice")

    def _refuse_if_open(self, name: str, listen: str) -> None:
        """Raises ValueError where others than this machine could ask, and nobody has said so."""
        knows = self.access == "keys" or (self.tls and self.tls.client_ca)
        if self.insecure is True or is_loopback(listen) or (self.tls and knows):
            return
        lacking = "knows nobody" if self.tls else "has no TLS"
        raise ValueError(
            f"{name}: {listen!r} is open to other machines, and {lacking}: set tls with cert and "
            "key, and client_ca or access: keys; or listen at 127.0.0.1; or say insecure: true, "
            "where everybody who can reach it may use it"
        )


def _are_one(one: str, other: str) -> bool:
    """Whether two servers cannot listen at both: at one port of one address, or of all."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    hosts = {_LOCALHOST if each == "localhost" else each for each in (host, other_host)}
    return int(port) == int(other_port) != 0 and (len(hosts) == 1 or bool(hosts & _EVERYWHERE))


def is_loopback(listen: str) -> bool:
    """Whether only this machine gets there."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address(name: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:  # noqa: PLR2004 (a port)
        raise ValueError(f"{name}: {address!r} is not ADDRESS:PORT")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(
            f"{name}: {address!r}: an IPv6 address stands in brackets, as in [::1]:50051"
        )
