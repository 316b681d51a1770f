"""Engines, and how many of them there are."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trueodds_service.config.section import Section

_TENSOR_PARALLEL = (2, 4, 8)
_LEAST_SHARE = 0.01


class Scaling(Section):
    """Replicas of a model between two numbers, by the prompts that are under way."""

    min: int = Field(default=1, ge=1, le=1024)
    max: int = Field(ge=1, le=1024)
    up_seconds: float = Field(default=10.0, ge=0)
    """How long there has to be more to do before a replica is added."""
    down_seconds: float = Field(default=300.0, ge=0)
    """How long there has to be less to do before one ends: an engine takes a minute and more to
    start again."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min}, and max is {self.max}")
        return self


class _EngineSettings(Section):
    replicas: Scaling | None = None
    """Copies of the engine, each in processes of its own: a number, or ``{min, max}`` to follow the
    load. Left out, a model has one on each GPU that no other model asks for, and several on each
    where ``gpus`` and ``gpu_memory_fraction`` are left out, too, and the model is so small that the
    host's Python is the limit and not the GPU: as many as have a tenth of the GPU's memory with
    their weights, four at most, with two cores of the machine for each, and a whole prompt in each
    one's cache. Prompts that begin alike go to the same one."""

    hang_seconds: float = Field(default=20.0, ge=1)
    """An engine is replaced when none of its steps ends for this time. On a CPU, a step of
    ``max_batch_tokens`` of a large model can take longer: raise this, or make the steps smaller."""

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
    """auto: the weights' own on a GPU; on a CPU float32, or bfloat16 where they are quantized
    already: vLLM's kernels for such weights are in 16 bits there."""
    quantization: Literal["none", "fp8"] = "none"
    """fp8: the weights are made so when they are loaded, which needs a GPU, and is refused of
    weights that are quantized already. none: they are taken as they are, quantized or not."""
    max_tokens: int | None = Field(default=None, ge=16)
    """The context; the model's own when left out."""
    max_batch_tokens: int = Field(default=4096, ge=256)
    """Tokens that one engine step computes at most."""
    max_sequences: int = Field(default=256, ge=1)
    """Prompts that one engine step holds at most."""
    step_seconds: float = Field(default=0.1, gt=0, le=60)
    """How long a step of the engine takes, about, while lone questions come beside bulk: a lone
    question waits for the step that is on."""
    block_tokens: Literal[16, 32, 64, 128] | None = None
    """Tokens of a block of the prefix cache; left out, 32 on a CPU and 16 on a GPU."""
    block_hash: Literal["sha256", "sha256_cbor", "xxhash", "xxhash_cbor"] = "sha256"
    """What tells blocks apart. xxhash costs the host less; who knows it can make two that it takes
    for one, so it is for trusted callers."""
    async_scheduling: bool | None = None
    """Plan a step while the one before it is computed; vLLM's own choice when left out."""
    kv_cache_gib: float | None = Field(default=None, gt=0)
    """Memory of the KV cache; left out, 1 GiB on a CPU, what vLLM finds free on a GPU of its own,
    and on a shared one what ``gpu_memory_fraction`` leaves beside the weights and 4 GiB."""
    eager: bool | None = None
    """Skip compilation: a faster start. True on a CPU."""
    gpus: float | None = Field(default=None, ge=0, le=8)
    """GPUs of a replica: a share of one, or 1, 2, 4 or 8, on which it is split by vLLM's tensor
    parallelism. Left out, one, or a share where there are fewer than models, or a model is small
    (``replicas``)."""
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
