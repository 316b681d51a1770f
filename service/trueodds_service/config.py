"""The service's configuration: one YAML file, validated whole before anything starts."""

import difflib
import ipaddress
import json
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trueodds_service.caller import NAME as TENANT_NAME
from trueodds_service.caller import Permission
from trueodds_service.errors import ConfigError
from trueodds_service.hub import hub_name

MAX_LORA_RANK = 512
_TENSOR_PARALLEL = (2, 4, 8)
_LEAST_SHARE = 0.01
MODEL_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scaling(_Settings):
    """Replicas of a model between two numbers, by the prompts that are under way."""

    min: int = Field(default=1, ge=1, le=1024)
    max: int = Field(ge=1, le=1024)
    up_seconds: float = Field(default=10.0, ge=0)
    """So long there has to be more to do before a replica is added."""
    down_seconds: float = Field(default=300.0, ge=0)
    """And so long less, before one ends: an engine takes a minute and more to start again."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min}, and max is {self.max}")
        return self


class _EngineSettings(_Settings):
    replicas: Scaling | None = None
    """Copies of the engine, each in processes of its own: a number, or ``{min, max}`` to follow the
    load. Left out, a model has one on each GPU that no other model asks for. Prompts that begin
    alike go to the same one. Several that share a GPU pay where the host's Python is the limit and
    not the GPU, as with models of about 1B parameters: ``replicas: 4, gpus: 0.25``."""

    hang_seconds: float = Field(default=20.0, ge=1)
    """An engine none of whose steps ends for so long is replaced. A step of ``max_batch_tokens`` of
    a large model on a CPU can take longer: raise this, or make the steps smaller."""

    @field_validator("replicas", mode="before")
    @classmethod
    def _fixed(cls, replicas: Any) -> Any:
        if isinstance(replicas, int) and not isinstance(replicas, bool):
            return {"min": replicas, "max": replicas}
        if replicas is None or isinstance(replicas, dict | Scaling):
            return replicas
        raise ValueError("has to be a number, or {min, max}")


class VllmSettings(_EngineSettings):
    """A vLLM engine. What is left out is chosen for the machine, CPU or GPU."""

    backend: Literal["vllm"] = "vllm"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: float32 on a CPU, the weights' own on a GPU."""
    quantization: Literal["none", "fp8"] = "none"
    """fp8: the weights are made so when they are loaded, which needs a GPU. none: they are taken
    as they are, which may be quantized."""
    max_tokens: int | None = Field(default=None, ge=16)
    """The context; the model's own when left out."""
    max_batch_tokens: int = Field(default=4096, ge=256)
    """Tokens that one engine step computes at most."""
    max_sequences: int = Field(default=256, ge=1)
    """Prompts that one engine step holds at most."""
    step_seconds: float = Field(default=0.1, gt=0, le=60)
    """While lone questions come, bulk is given to the engine in steps of about so long: a lone
    question waits for the step that is on."""
    block_tokens: Literal[16, 32, 64, 128] | None = None
    """What is cached, is cached in blocks of so many tokens. 32 on a CPU, 16 on a GPU."""
    block_hash: Literal["sha256", "sha256_cbor", "xxhash", "xxhash_cbor"] = "sha256"
    """What tells blocks apart. xxhash costs the host less; who knows it can make two that it takes
    for one, so it is for trusted callers."""
    async_scheduling: bool | None = None
    """Plan a step while the one before it is computed; vLLM's own choice when left out."""
    kv_cache_gib: float | None = Field(default=None, gt=0)
    """Memory of the KV cache; 1 GiB on a CPU, what vLLM finds free on a GPU."""
    eager: bool | None = None
    """Skip compilation: a faster start. True on a CPU."""
    gpus: float | None = Field(default=None, ge=0, le=8)
    """GPUs of a replica: a share of one, or 1, 2, 4 or 8, on which it is split by vLLM's tensor
    parallelism. Left out, one, or a share where there are fewer than models."""
    gpu_memory_fraction: float | None = Field(default=None, gt=0, le=1)
    """How much of each GPU's memory a replica may take: nine tenths of its share when left out."""
    load_format: Literal["auto", "dummy"] = "auto"
    """dummy: random weights in the shape of ``config.json``, to measure speed."""

    @field_validator("gpus")
    @classmethod
    def _check_gpus(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and gpus not in _TENSOR_PARALLEL:
            raise ValueError("has to be a share of one, or 1, 2, 4 or 8")
        if gpus is not None and 0 < gpus < _LEAST_SHARE:
            raise ValueError(f"the least share of a GPU is {_LEAST_SHARE}")
        return gpus

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.max_sequences > self.max_batch_tokens:
            raise ValueError(
                f"max_sequences is {self.max_sequences}, and a step of max_batch_tokens "
                f"{self.max_batch_tokens} holds no more than one token of each"
            )
        return self


class FakeSettings(_EngineSettings):
    """A deterministic engine without a model, for tests. Needs a tokenizer in ``weights``."""

    backend: Literal["fake"]
    seed: int = 0
    sharpness: float = Field(default=1.0, gt=0)
    """Multiplies the logits: above one, an overconfident model."""
    max_tokens: int = Field(default=2048, ge=16)
    vocabulary: int | None = Field(default=None, ge=256)
    """Rows of its embedding, if it is to have an end: a token beyond kills it."""
    max_sequences: int = Field(default=1000, ge=1)
    """Prompts under way that keep a replica busy twice over, which is what scaling goes by."""
    seconds: float = Field(default=0.0, ge=0)
    """How long each call takes, at least."""
    gpus: float = Field(default=0.0, ge=0, le=8)
    """GPUs of a replica: it takes them from others, and does not use them."""


class ModelSettings(_Settings):
    """One model and the engine that serves it, or a LoRA adapter in the engine of its base."""

    name: str
    """What callers call it: lower-case letters, digits, '.', '_' and '-'."""
    weights: Path
    """The model's folder, relative to the configuration file, or its name on the Hugging Face hub,
    ORG/NAME@REVISION, to be fetched into the cache of each machine. An adapter has its base's."""
    adapter: Path | None = None
    """The folder of a LoRA adapter, as peft saves it."""
    base: str | None = None
    """The model that the adapter is for, by name; they share an engine."""
    teacher: str | None = None
    """The pre-trained counterpart, by name: the teacher of method TEACHER_KL."""
    engine: Annotated[VllmSettings | FakeSettings, Field(discriminator="backend")] = VllmSettings()
    """vLLM unless ``backend`` says otherwise."""

    @field_validator("engine", mode="before")
    @classmethod
    def _default_backend(cls, engine: Any) -> Any:
        return {"backend": "vllm", **engine} if isinstance(engine, dict) else engine

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not MODEL_NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name!r} has to match {MODEL_NAME.pattern}")
        if self.teacher == self.name:
            raise ValueError(f"teacher: {self.name!r} cannot teach itself")
        return self


class Limits(_Settings):
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
    max_tokens: int = Field(default=8_000_000, ge=1)
    """Tokens of all prompts of a request, or of a batch of a stream; each question in each of the
    orders that it is asked in."""
    max_concurrent_requests: int = Field(default=256, ge=1)
    """Requests that a gateway works on at once; to more it answers RESOURCE_EXHAUSTED at once."""
    max_tokens_under_way: int = Field(default=16_000_000, ge=1)
    """Tokens of prompts that a gateway works on at once; while it has so many, new requests get
    the same answer. What has begun goes on."""
    max_connections: int = Field(default=2048, ge=1)
    """Connections that each door of a gateway holds; more are closed as they are opened."""


class Rates(_Settings):
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


class Quota(_Settings):
    """What a tenant may ask for."""

    tenant: Rates = Rates()
    """All of its callers together."""
    key: Rates = Rates()
    """Each of its callers by itself: a key, by its name, or a certificate."""
    burst_seconds: float = Field(default=60.0, gt=0, le=86_400)
    """Who has asked for nothing may ask at once for what comes in in so long."""


class TenantQuota(Quota):
    """What one tenant may ask for."""

    name: str
    """The tenant. What is left out here has no limit, whatever ``default`` says."""


class Quotas(_Settings):
    """How much tenants and keys may ask for, of all gateways of the service together."""

    default: Quota = Quota()
    """Of each tenant that ``tenants`` does not name."""
    tenants: tuple[TenantQuota, ...] = ()
    """Tenants with quotas of their own."""

    @field_validator("tenants")
    @classmethod
    def _check_names(cls, tenants: tuple[TenantQuota, ...]) -> tuple[TenantQuota, ...]:
        names = [each.name for each in tenants]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the tenant {min(twice)!r} is named twice")
        return tenants


class OutcomeSettings(_Settings):
    """How long it is kept what became of answers."""

    keep_days: float = Field(default=400.0, gt=0)
    """Since it was told."""
    at_most: int = Field(default=1_000_000, ge=1)
    """So many of all calibrators and tenants, the newest: some hundred bytes each."""


class Tls(_Settings):
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


class Observability(_Settings):
    """How the service is watched."""

    log_requests: RequestLog = RequestLog.FAILED
    """A line for each request as it ends, for those that failed, or for none: its id, method,
    caller, status, reason, time and counts, and nothing of what was asked."""

    tenants: int = Field(default=0, ge=0, le=1000)
    """Of so many tenants, the first that ask, the metrics have numbers of their own; the others
    share theirs."""


class Tracing(_Settings):
    """Traces of requests, for a collector of OpenTelemetry's."""

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$")
    """Where it takes OTLP over gRPC, such as http://127.0.0.1:4317."""
    share: float = Field(default=0.01, ge=0, le=1)
    """Of requests whose callers do not say whether they are traced, so many are."""


class CertificateClient(_Settings):
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
        if tenant and not TENANT_NAME.fullmatch(tenant):
            raise ValueError(f"{tenant!r} has to match {TENANT_NAME.pattern}")
        return tenant


class DecisionSettings(_Settings):
    """What holds for decisions where a request does not say."""

    min_option_mass: float = Field(default=0.01, ge=0, le=1)
    """A question is refused whose labels hold less of the probability of what follows."""


class Settings(_Settings):
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
    limits: Limits = Limits()
    quotas: Quotas = Quotas()
    decisions: DecisionSettings = DecisionSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    tls: Tls | None = None
    """TLS, 1.2 or later, for all that it listens at. Left out, it answers in the clear."""
    insecure: bool = False
    """Listen for other machines without TLS, or without knowing who asks: for a network, or behind
    a proxy, that keeps everybody else away."""
    observability: Observability = Observability()
    tracing: Tracing | None = None
    """Left out, there are no traces. Needs the extra ``tracing``."""
    access: Literal["open", "keys"] = "open"
    """keys: who asks has to show a key of ``trueodds keys``, or a certificate of ``clients``. open:
    anyone may do anything."""
    clients: tuple[CertificateClient, ...] = ()
    """Who is known by a certificate, where ``access`` is keys."""
    gateways: int | None = Field(default=None, ge=1, le=64)
    """Processes that answer at the address, on each node, each the whole service but for its
    engines; the kernel deals connections out among them. Left out, one for each GPU of a node, up
    to four."""
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
        if duplicates := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"models: the name {sorted(duplicates)[0]!r} is used twice")
        for model in self.models:
            if model.teacher is not None and model.teacher not in names:
                raise ValueError(
                    f"models: the teacher {model.teacher!r} of {model.name!r} is not a model here"
                )
        self._check_clients()
        if self.quotas != Quotas() and self.access != "keys":
            raise ValueError("quotas: they go with access: keys, which tells who asks")
        _check_address("listen", self.listen)
        self._refuse_if_open("listen", self.listen)
        if self.http is not None:
            _check_address("http", self.http)
            self._refuse_if_open("http", self.http)
            if self.http == self.listen and not self.http.endswith(":0"):
                raise ValueError(f"http: {self.http} is where gRPC listens")
        if self.metrics is not None:
            _check_address("metrics", self.metrics)
            if self.metrics in (self.listen, self.http) and not self.metrics.endswith(":0"):
                raise ValueError(f"metrics: {self.metrics} is where callers are answered")
        return self

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
        if self.insecure or is_loopback(listen) or (self.tls and knows):
            return
        lacking = "knows nobody" if self.tls else "has no TLS"
        raise ValueError(
            f"{name}: {listen!r} is open to other machines, and {lacking}: set tls with cert and "
            "key, and client_ca or access: keys; or listen at 127.0.0.1; or say insecure: true, "
            "where everybody who can reach it may use it"
        )


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


def load(path: Path, *, listen: str | None = None) -> Settings:
    """Reads a configuration file; paths in it become absolute. ``listen`` goes before its own.

    Raises ConfigError, which names every field that is wrong, and the reason.
    """
    settings, problems = read(path, listen=listen)
    if problems:
        raise ConfigError(_listed(path, problems))
    return settings


def read(path: Path, *, listen: str | None = None) -> tuple[Settings, Sequence[str]]:
    """As ``load``, but what is wrong with the folders that it names is told and not raised."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__})") from error
    # Of PyYAML's own faults: an impossible date, a word tagged as one, thousands of brackets.
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" near line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}: is not YAML{place}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: has to be a mapping of settings")
    if listen is not None:
        content = {**content, "listen": listen}
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_listed(path, _problems(error))) from error
    settings = _absolute(settings, path.resolve().parent)
    return settings, _wrong_folders(settings)


def _listed(path: Path, problems: Sequence[str]) -> str:
    return f"{path}: " + "\n  ".join(problems)


def _problems(error: ValidationError) -> list[str]:
    said = []
    problems = error.errors(include_url=False, include_input=False)
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        length = len(problem["loc"])
        if problem["type"] == "too_short" and any(
            len(place) > length and place[:length] == problem["loc"] for place in places
        ):
            continue  # pydantic does not count what is wrong by itself
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = _unknown(*problem["loc"])
        said.append(f"{field}: {message}" if field else message)
    return said


def _unknown(*place: int | str) -> str:
    """What there is instead of a setting that is none."""
    *section, name = (part for part in place if isinstance(part, str))
    known = sorted(_SECTIONS[tuple(section)].model_fields)
    near = _FORMER.get(name) or difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"is no setting{meant} (there are {', '.join(known)})"


_FORMER = {"processes": ["replicas"]}

# By the names that lead to them.
_SECTIONS: dict[tuple[str, ...], type[_Settings]] = {
    (): Settings,
    ("limits",): Limits,
    ("quotas",): Quotas,
    ("quotas", "default"): Quota,
    ("quotas", "default", "tenant"): Rates,
    ("quotas", "default", "key"): Rates,
    ("quotas", "tenants"): TenantQuota,
    ("quotas", "tenants", "tenant"): Rates,
    ("quotas", "tenants", "key"): Rates,
    ("decisions",): DecisionSettings,
    ("outcomes",): OutcomeSettings,
    ("tls",): Tls,
    ("observability",): Observability,
    ("tracing",): Tracing,
    ("clients",): CertificateClient,
    ("models",): ModelSettings,
    ("models", "engine", "vllm"): VllmSettings,
    ("models", "engine", "fake"): FakeSettings,
    ("models", "engine", "vllm", "replicas"): Scaling,
    ("models", "engine", "fake", "replicas"): Scaling,
}


def _wrong_folders(settings: Settings) -> list[str]:
    said = []
    for model in settings.models:
        if model.adapter is not None:
            said.append(_wrong_adapter(model.name, model.adapter))
        else:
            said.append(_wrong_weights(model.name, model.weights))
    return [f"models: {each}" for each in said if each]


def _wrong_weights(name: str, folder: Path) -> str:
    if hub_name(folder):
        return ""
    if not folder.is_dir():
        return f"the weights of {name!r} are no folder ({folder})"
    if not (folder / "config.json").is_file():
        return f"the weights of {name!r} lack a config.json ({folder})"
    return ""


def _wrong_adapter(name: str, folder: Path) -> str:
    try:
        content = (folder / "adapter_config.json").read_text(encoding="utf-8")
        rank = json.loads(content)["r"]
    except OSError:
        return f"{name!r} lacks an adapter_config.json ({folder})"
    except (ValueError, KeyError, TypeError):
        return f"the adapter_config.json of {name!r} tells no rank ({folder})"
    if not isinstance(rank, int) or not 1 <= rank <= MAX_LORA_RANK:
        return f"the adapter {name!r} has rank {rank}; vLLM takes at most {MAX_LORA_RANK}"
    return ""


def _absolute(settings: Settings, root: Path) -> Settings:
    models = []
    for model in settings.models:
        update = {}
        folder = (root / model.weights).resolve()
        if not hub_name(model.weights):
            update["weights"] = folder
        elif folder.is_dir():
            raise ConfigError(
                f"models: the weights of {model.name!r} ({model.weights}) are a folder here, and "
                f"may be a name on the hub: a folder is named in full ({folder})"
            )
        if model.adapter is not None:
            update["adapter"] = (root / model.adapter).resolve()
        models.append(model.model_copy(update=update))
    store = settings.store
    prefix = "sqlite:///"
    if store.startswith(prefix) and not Path(store.removeprefix(prefix)).is_absolute():
        store = prefix + str((root / store.removeprefix(prefix)).resolve())
    absolute: dict[str, Any] = {"models": tuple(models), "store": store}
    if settings.tls is not None:
        # Not resolved: what replaces a certificate often replaces a link.
        paths = {name: root / path for name, path in settings.tls if path is not None}
        absolute["tls"] = settings.tls.model_copy(update=paths)
    return settings.model_copy(update=absolute)
