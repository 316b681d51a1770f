"""Models, and prompts that they are to tokenize."""

from collections.abc import Iterable, Iterator, Sequence

from trueodds import errors
from trueodds._channel import BATCH_BYTES
from trueodds._convert.enums import STATES
from trueodds._convert.questions import prompt_message
from trueodds.model import Model, ModelState
from trueodds.question import Chat, Text, TokenIds
from trueodds.v1 import model_pb2


def model_name(model: str) -> str:
    """``models/x``, from that or from ``x``."""
    return model if model.startswith("models/") else f"models/{model}"


def models_of(model: str) -> list[str]:
    """The names, as a server lists them: of a model or of a cascade its own, of ``x+y`` both."""
    return model.removeprefix("models/").split("+")


def tokenize_messages(
    model: str, prompts: Iterable[str | Text | TokenIds | Chat], size: int
) -> Iterator[model_pb2.TokenizeRequest]:
    """The prompts in messages that have at most ``size`` of them, and a limited size in bytes."""
    if isinstance(prompts, str):  # whose characters are strings as well, and never meant
        raise TypeError("prompts has to be a list of prompts, not one")
    message, held = model_pb2.TokenizeRequest(name=model_name(model)), 0
    for prompt in map(prompt_message, prompts):
        held += prompt.ByteSize()
        if message.prompts and (len(message.prompts) == size or held > BATCH_BYTES):
            yield message
            message, held = model_pb2.TokenizeRequest(name=message.name), prompt.ByteSize()
        message.prompts.append(prompt)
    if message.prompts:
        yield message


def are_ready(models: Sequence[Model], wanted: str | None) -> bool:
    """Whether all models are ready, or the wanted one. Raises when that cannot become so."""
    chosen = list(models)
    if wanted is not None:
        known = {model.name: model for model in models}
        chosen = []
        for name in map(model_name, models_of(wanted)):
            if name not in known:
                raise errors.NotFound(f"{name} is no model of this server", reason="NOT_FOUND")
            chosen.append(known[name])
    for model in chosen:
        if model.state is ModelState.FAILED:
            raise errors.ModelFailed(
                f"{model.name} cannot come up: {model.state_cause}", reason="MODEL_FAILED"
            )
    return all(model.ready for model in chosen)


def model_of(message: model_pb2.Model) -> Model:
    return Model(
        name=message.name,
        ready=message.state == model_pb2.STATE_READY,
        revision=message.revision,
        teacher=message.teacher or None,
        base=message.base or None,
        tokenizer_revision=message.tokenizer_revision,
        max_prompt_tokens=message.limits.max_prompt_tokens,
        max_options=message.limits.max_options,
        max_items=message.limits.max_items,
        prefix_token_id=message.prefix_token_id if message.HasField("prefix_token_id") else None,
        engine=message.engine,
        dtype=message.dtype,
        # A state that this client does not know is none in which the model answers.
        state=STATES.get(message.state, ModelState.STARTING),
        state_cause=message.state_cause,
        calibration_stale_seconds=message.calibration_stale_seconds,
        cascade=tuple(message.cascade),
    )
